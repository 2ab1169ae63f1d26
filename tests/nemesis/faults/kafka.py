"""Faults of Kafka, and of the network in front of it."""

import asyncio
import os
from random import Random
from signal import SIGCONT, SIGSTOP

from deploy.local import Kafka
from tests.nemesis.faults.network import NetworkFaults
from tests.nemesis.schedule import Fault, pause
from tests.support.proxy.proxy import KafkaProxy


class KafkaFaults(NetworkFaults):
    """Faults of the broker and its network."""

    def __init__(self, kafka: Kafka, proxy: KafkaProxy) -> None:
        super().__init__(proxy)
        self._kafka = kafka

    def kinds(self) -> list[tuple[int, Fault]]:
        """The faults with their weights. Restarts are rare: a broker starts slowly, and other faults wait for it."""
        others = ((1, self.killed), (1, self.restarted), (2, self.frozen), (3, self.corrupted_batches))
        return [*super().kinds(), (3, self.writes_lost), (3, self.answers_lost), *others]

    async def killed(self, rng: Random) -> None:
        """SIGKILL, and a start some time later."""
        await asyncio.to_thread(self._kafka.kill)
        await pause(rng)
        await asyncio.to_thread(self._kafka.start)

    async def restarted(self, rng: Random) -> None:
        """A clean stop, and a start at once."""
        await asyncio.to_thread(self._kafka.stop)
        await asyncio.to_thread(self._kafka.start)

    async def frozen(self, rng: Random) -> None:
        """SIGSTOP: it accepts connections and does not answer; after SIGCONT it answers all requests at once."""
        assert self._kafka.pid is not None
        os.kill(self._kafka.pid, SIGSTOP)
        try:
            await pause(rng)
        finally:
            os.kill(self._kafka.pid, SIGCONT)

    async def corrupted_batches(self, rng: Random) -> None:
        """Corrupt one byte in each of the next fetched batches."""
        self._proxy.corruptions = rng.randrange(1, 10)
        await pause(rng)
        self._proxy.corruptions = 0
