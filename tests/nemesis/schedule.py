"""The nemesis: what is done, to what, for how long, drawn by chance from one seed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic

import asyncpg

# Between two strikes of a hand.
OFTEN_S = (0.2, 1.2)
RARELY_S = (2.0, 8.0)

Strike = Callable[[Random], Awaitable[None]]


@dataclass(frozen=True)
class Target:
    """Something that can be hurt: kinds of faults, each with its weight. A strike undoes what it has done."""

    name: str
    kinds: Sequence[tuple[int, Strike]]
    weight: int


class Nemesis:
    """Strikes until told to stop. `done` counts by kind."""

    def __init__(
        self, targets: Sequence[Target], beside: Sequence[Target], rng: Random, note: Callable[[str], None]
    ) -> None:
        self._targets = targets
        self._beside = beside
        self._rng = rng
        self._note = note
        self.done: Counter[str] = Counter()
        self._struck: list[Target] = []

    async def hurt_until(self, deadline: float) -> None:
        """One strike after the other with one hand, now and then one with another, never two at one target.

        What goes on beside it has a hand of its own: it may take long.
        """
        async with asyncio.TaskGroup() as hands:
            for targets, pauses_s in ((self._targets, OFTEN_S), (self._targets, RARELY_S), (self._beside, RARELY_S)):
                if targets:
                    hands.create_task(self._hand(deadline, targets, pauses_s, Random(self._rng.getrandbits(64))))

    async def _hand(
        self, deadline: float, targets: Sequence[Target], pauses_s: tuple[float, float], rng: Random
    ) -> None:
        await asyncio.sleep(rng.uniform(*pauses_s))
        while monotonic() < deadline:
            free = [target for target in targets if target not in self._struck]
            await self._strike(rng.choices(free, [target.weight for target in free])[0], rng)
            await asyncio.sleep(rng.uniform(*pauses_s))

    async def _strike(self, target: Target, rng: Random) -> None:
        weights, strikes = zip(*target.kinds, strict=True)
        strike = rng.choices(strikes, weights)[0]
        name = f"{target.name} {strike.__name__}"
        self.done[name] += 1
        self._note(f"{name} begins")
        self._struck.append(target)
        try:
            await strike(Random(rng.getrandbits(64)))
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self._note(f"{name} was not to be had: {error!r}")  # the machine is busy, or the other hand was in the way
        finally:
            self._struck.remove(target)
            self._note(f"{name} is over")


def a_while(rng: Random) -> float:
    """How long a fault lasts, in seconds: mostly short, now and then longer than any session."""
    return rng.uniform(0.1, 2.5) if rng.random() < 0.85 else rng.uniform(2.5, 8.0)


async def pause(rng: Random) -> None:
    """For as long as a fault lasts."""
    await asyncio.sleep(a_while(rng))
