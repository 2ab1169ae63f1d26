"""What is done to Kafka, and to the wire in front of it."""

import asyncio
import os
from random import Random
from signal import SIGCONT, SIGSTOP

from deploy.local import Kafka
from tests.nemesis.faults.network import OfWires
from tests.nemesis.schedule import Strike, pause
from tests.support.proxy.proxy import KafkaProxy


class OfKafka(OfWires):
    """Faults of Kafka; each is over when it returns."""

    def __init__(self, kafka: Kafka, wire: KafkaProxy) -> None:
        super().__init__(wire)
        self._kafka = kafka

    def kinds(self) -> list[tuple[int, Strike]]:
        """With their weights: a broker takes its time to come up, and meanwhile there is nothing else to hurt."""
        others = ((1, self.killed), (1, self.restarted), (2, self.frozen), (3, self.flipped))
        return [*super().kinds(), (3, self.changes_are_lost), (3, self.answers_are_lost), *others]

    async def killed(self, rng: Random) -> None:
        """SIGKILL, and up again some time later."""
        await asyncio.to_thread(self._kafka.kill)
        await pause(rng)
        await asyncio.to_thread(self._kafka.start)

    async def restarted(self, rng: Random) -> None:
        """An orderly stop, and up again at once."""
        await asyncio.to_thread(self._kafka.stop)
        await asyncio.to_thread(self._kafka.start)

    async def frozen(self, rng: Random) -> None:
        """SIGSTOP: it takes connections and answers nothing, and later answers all at once."""
        assert self._kafka.pid is not None
        os.kill(self._kafka.pid, SIGSTOP)
        try:
            await pause(rng)
        finally:
            os.kill(self._kafka.pid, SIGCONT)

    async def flipped(self, rng: Random) -> None:
        """A wrong byte in each of the next batches that are fetched."""
        self._wire.flips = rng.randrange(1, 10)
        await pause(rng)
        self._wire.flips = 0
