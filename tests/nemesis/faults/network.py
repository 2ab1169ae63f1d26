"""What is done to the wire in front of a server."""

import asyncio
from random import Random

from tests.nemesis.schedule import Strike, pause
from tests.support.proxy.proxy import Fate, Proxy, Way


class OfWires:
    """Faults of one wire; each is over when it returns."""

    def __init__(self, wire: Proxy) -> None:
        self._wire = wire

    def kinds(self) -> list[tuple[int, Strike]]:
        """With their weights."""
        faults = (self.black_hole, self.one_way, self.reset, self.slow, self.trickle, self.abandoned)
        return [(2, fault) for fault in faults]

    async def black_hole(self, rng: Random) -> None:
        """Nothing passes, and nobody is told."""
        self._wire.audible.clear()
        await pause(rng)
        self._wire.heal()

    async def one_way(self, rng: Random) -> None:
        """What one end says is gone without a word."""
        self._wire.deaf.add(rng.choice(list(Way)))
        await pause(rng)
        self._wire.heal()

    async def reset(self, rng: Random) -> None:
        """Every connection is reset, again and again."""
        for _ in range(rng.randrange(1, 6)):
            self._wire.cut()
            await asyncio.sleep(rng.random())

    async def slow(self, rng: Random) -> None:
        """Everything takes 20 to 200 ms in each direction."""
        self._wire.delay_s = rng.uniform(0.02, 0.2)
        await pause(rng)
        self._wire.delay_s = 0.0

    async def trickle(self, rng: Random) -> None:
        """A narrow wire."""
        self._wire.bytes_per_s = rng.randrange(5_000, 200_000)
        await pause(rng)
        self._wire.bytes_per_s = 0

    async def abandoned(self, rng: Random) -> None:
        """The connections that there are never say another word; new ones are well, and nothing comes to help."""
        self._wire.abandon()
        await pause(rng)

    async def changes_are_lost(self, rng: Random) -> None:
        """Requests that change something don't arrive."""
        await self._bring_about(Fate.NEVER_ARRIVES, rng)

    async def answers_are_lost(self, rng: Random) -> None:
        """They arrive, and the answers don't."""
        await self._bring_about(Fate.ANSWER_IS_LOST, rng)

    async def _bring_about(self, fate: Fate, rng: Random) -> None:
        self._wire.fates.extend(rng.choice((fate, Fate.PASSES)) for _ in range(40))
        await pause(rng)
        self._wire.fates.clear()
