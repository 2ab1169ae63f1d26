"""Faults of the network between the clients and a server."""

import asyncio
from random import Random

from tests.nemesis.schedule import Fault, pause
from tests.support.proxy.proxy import Direction, Proxy, WriteFault


class NetworkFaults:
    """Faults of the network in front of one server, injected by its proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def kinds(self) -> list[tuple[int, Fault]]:
        """The faults with their weights."""
        faults = (
            self.silent,
            self.one_way,
            self.connection_resets,
            self.slow,
            self.limited_bandwidth,
            self.dead_connections,
        )
        return [(2, fault) for fault in faults]

    async def silent(self, rng: Random) -> None:
        """Drop all data in both directions, without closing connections."""
        self._proxy.reachable.clear()
        await pause(rng)
        self._proxy.heal()

    async def one_way(self, rng: Random) -> None:
        """Drop all data in one direction, without closing connections."""
        self._proxy.blocked.add(rng.choice(list(Direction)))
        await pause(rng)
        self._proxy.heal()

    async def connection_resets(self, rng: Random) -> None:
        """Reset all connections, one to five times."""
        for _ in range(rng.randrange(1, 6)):
            self._proxy.reset_connections()
            await asyncio.sleep(rng.random())

    async def slow(self, rng: Random) -> None:
        """Delay data by 20 to 200 ms in each direction."""
        self._proxy.delay_s = rng.uniform(0.02, 0.2)
        await pause(rng)
        self._proxy.delay_s = 0.0

    async def limited_bandwidth(self, rng: Random) -> None:
        """Limit the bandwidth to between 5 and 200 kB a second."""
        self._proxy.bytes_per_s = rng.randrange(5_000, 200_000)
        await pause(rng)
        self._proxy.bytes_per_s = 0

    async def dead_connections(self, rng: Random) -> None:
        """Drop all data of the existing connections for good. New connections work, and nothing closes the old ones."""
        self._proxy.stall_connections()
        await pause(rng)

    async def writes_lost(self, rng: Random) -> None:
        """Drop some requests that write."""
        await self._apply(WriteFault.REQUEST_LOST, rng)

    async def answers_lost(self, rng: Random) -> None:
        """Deliver some requests that write, and drop their responses."""
        await self._apply(WriteFault.ANSWER_LOST, rng)

    async def _apply(self, fault: WriteFault, rng: Random) -> None:
        self._proxy.next_write_faults.extend(rng.choice((fault, WriteFault.PASSES)) for _ in range(40))
        await pause(rng)
        self._proxy.next_write_faults.clear()
