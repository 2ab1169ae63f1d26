"""Faults of Kafka, and of the network in front of it."""

import asyncio
import os
from random import Random
from signal import SIGCONT, SIGSTOP

from consumer.settings import CLIENT_ID
from deploy.local import Kafka
from tests.nemesis.environment import PARTITIONS
from tests.nemesis.faults.network import NetworkFaults
from tests.nemesis.schedule import Fault, pause
from tests.support.foreign_producer import foreign_producer
from tests.support.proxy.proxy import Api, KafkaProxy
from tests.support.scene import Scene
from tests.support.servers.acls import refused_group
from tests.support.servers.quotas import FETCH_RATE, byte_quota

ANSWER_S = 10.0
TRANSACTION_MS = 15_000  # then the broker aborts the transaction, if the producer could not


class KafkaFaults(NetworkFaults):
    """Faults of the broker and its network."""

    def __init__(self, kafka: Kafka, proxy: KafkaProxy, direct: Scene) -> None:
        super().__init__(proxy)
        self._kafka = kafka
        self._kafka_proxy = proxy
        self._direct = direct

    def kinds(self) -> list[tuple[int, Fault]]:
        """The faults with their weights. Restarts are rare: a broker starts slowly, and other faults wait for it."""
        others = ((1, self.killed), (1, self.restarted), (2, self.frozen), (3, self.corrupted_batches))
        clients = ((2, self.silent_at_a_request), (2, self.fetch_quota), (2, self.transaction_open))
        network = ((3, self.writes_lost), (3, self.answers_lost))
        return [*super().kinds(), *network, *others, *clients, (2, self.group_refused)]

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

    async def silent_at_a_request(self, rng: Random) -> None:
        """Drop all data of the connections over which a client sends a request of one kind, from that request on."""
        self._kafka_proxy.silent_at = rng.choice(list(Api))
        await pause(rng)
        self._kafka_proxy.silent_at = None

    async def fetch_quota(self, rng: Random) -> None:
        """Limit what the consumers fetch to between 20 and 500 kB a second."""
        bytes_per_s = rng.randrange(20_000, 500_000)
        async with byte_quota(self._direct.servers.bootstrap_servers, CLIENT_ID, FETCH_RATE, bytes_per_s):
            await pause(rng)

    async def group_refused(self, rng: Random) -> None:
        """Deny everybody the right to join the consumer group, and take the denial back."""
        async with refused_group(self._direct.servers.bootstrap_servers, self._direct.topic):
            await pause(rng)

    async def transaction_open(self, rng: Random) -> None:
        """Leave a transaction open for a while, and abort it: it holds back the records after it in its partition."""
        settings: dict[str, str | int | bool] = {
            "transactional.id": f"open-{rng.getrandbits(32)}",
            "transaction.timeout.ms": TRANSACTION_MS,
        }
        producer = foreign_producer(self._direct.servers.bootstrap_servers, **settings)
        await asyncio.to_thread(producer.init_transactions, ANSWER_S)
        producer.begin_transaction()
        producer.produce(self._direct.topic, b"aborted", b"open-transaction", rng.randrange(PARTITIONS))
        await asyncio.to_thread(producer.flush, ANSWER_S)
        try:
            await pause(rng)
        finally:
            await asyncio.to_thread(producer.abort_transaction, ANSWER_S)

    async def corrupted_batches(self, rng: Random) -> None:
        """Corrupt one byte in each of the next fetched batches."""
        self._proxy.corruptions = rng.randrange(1, 10)
        await pause(rng)
        self._proxy.corruptions = 0
