"""The nemesis: draws faults, their targets and their times from one seed, and injects them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic

import asyncpg
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from tests.nemesis.standstill import Interval

# The pause between two faults of a sequence, in seconds.
FREQUENT_PAUSE_S = (0.2, 1.2)
RARE_PAUSE_S = (2.0, 8.0)

# Of the clients that inject a fault.
ERRORS = (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError, KafkaException)

Fault = Callable[[Random], Awaitable[None]]


@dataclass(frozen=True)
class Target:
    """A part of the system with its kinds of faults, each with a weight. A fault is over when its call returns."""

    name: str
    kinds: Sequence[tuple[int, Fault]]
    weight: int


class Nemesis:
    """Injects faults until a deadline.

    Attributes:
        counts: the number of injected faults, by target and kind.
        injected: each fault, with its beginning and its end on the clock of `monotonic`.
    """

    def __init__(
        self, targets: Sequence[Target], independent: Sequence[Target], rng: Random, note: Callable[[str], None]
    ) -> None:
        self._targets = targets
        self._independent = independent
        self._rng = rng
        self._note = note
        self.counts: Counter[str] = Counter()
        self.injected: list[tuple[str, Interval]] = []
        self._targeted: list[Target] = []

    async def inject_until(self, deadline: float) -> None:
        """Inject faults in three concurrent sequences: frequent ones, rare ones, and the independent ones.

        A target has at most one fault at a time. Independent faults get a sequence of their own because they may take
        long.
        """
        sequences = (
            (self._targets, FREQUENT_PAUSE_S),
            (self._targets, RARE_PAUSE_S),
            (self._independent, RARE_PAUSE_S),
        )
        async with asyncio.TaskGroup() as tasks:
            for targets, pauses_s in sequences:
                if targets:
                    rng = Random(self._rng.getrandbits(64))
                    tasks.create_task(self._inject_repeatedly(deadline, targets, pauses_s, rng))

    async def _inject_repeatedly(
        self, deadline: float, targets: Sequence[Target], pauses_s: tuple[float, float], rng: Random
    ) -> None:
        await asyncio.sleep(rng.uniform(*pauses_s))
        while monotonic() < deadline:
            free = [target for target in targets if target not in self._targeted]
            await self._inject(rng.choices(free, [target.weight for target in free])[0], rng)
            await asyncio.sleep(rng.uniform(*pauses_s))

    async def _inject(self, target: Target, rng: Random) -> None:
        weights, faults = zip(*target.kinds, strict=True)
        fault = rng.choices(faults, weights)[0]
        name = f"{target.name} {fault.__name__}"
        self.counts[name] += 1
        self._note(f"{name} starts")
        self._targeted.append(target)
        began = monotonic()
        try:
            await fault(Random(rng.getrandbits(64)))
        except ERRORS as error:
            # The machine is busy, or another fault has made the server unreachable.
            self._note(f"{name} could not be injected: {error!r}")
        finally:
            self._targeted.remove(target)
            self.injected.append((name, Interval(began, monotonic())))
            self._note(f"{name} ends")


def fault_duration_s(rng: Random) -> float:
    """The duration of a fault in seconds: 85% are short, the others are longer than any session timeout."""
    return rng.uniform(0.1, 2.5) if rng.random() < 0.85 else rng.uniform(2.5, 8.0)


async def pause(rng: Random) -> None:
    """Wait for the duration of a fault."""
    await asyncio.sleep(fault_duration_s(rng))
