"""The nemesis: what is done, to what, for how long, drawn by chance from one seed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic

BOTH_SHARE = 0.3  # so often two targets are hurt at a time
CALM_S = (0.1, 2.0)  # between two faults

Strike = Callable[[Random], Awaitable[None]]


@dataclass(frozen=True)
class Target:
    """Something that can be hurt: kinds of faults, each with its weight. A strike undoes what it has done."""

    name: str
    kinds: Sequence[tuple[int, Strike]]
    weight: int


class Nemesis:
    """Strikes until told to stop. `done` counts by kind."""

    def __init__(self, targets: Sequence[Target], rng: Random, note: Callable[[str], None]) -> None:
        self._targets = targets
        self._rng = rng
        self._note = note
        self.done: Counter[str] = Counter()

    async def hurt_until(self, deadline: float) -> None:
        """One strike after the other, now and then two at a time, never two at one target."""
        while monotonic() < deadline:
            await asyncio.sleep(self._rng.uniform(*CALM_S))
            first = self._draw(self._targets)
            struck = [first]
            if self._rng.random() < BOTH_SHARE:
                struck.append(self._draw([target for target in self._targets if target is not first]))
            await asyncio.gather(*[self._strike(target) for target in struck])

    def _draw(self, targets: Sequence[Target]) -> Target:
        return self._rng.choices(targets, [target.weight for target in targets])[0]

    async def _strike(self, target: Target) -> None:
        weights, strikes = zip(*target.kinds, strict=True)
        strike = self._rng.choices(strikes, weights)[0]
        name = f"{target.name} {strike.__name__}"
        self.done[name] += 1
        self._note(f"{name} begins")
        await strike(Random(self._rng.getrandbits(64)))
        self._note(f"{name} is over")


def a_while(rng: Random) -> float:
    """How long a fault lasts, in seconds: mostly short, now and then longer than any session."""
    return rng.uniform(0.1, 2.5) if rng.random() < 0.85 else rng.uniform(2.5, 8.0)


async def pause(rng: Random) -> None:
    """For as long as a fault lasts."""
    await asyncio.sleep(a_while(rng))
