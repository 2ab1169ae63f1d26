"""Reads the ends of all partitions of a topic, when a record was written, and who has a transaction open.

It sends small requests with a client of its own, and decompresses no record. So it also works for a partition whose
next record cannot be read.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NodeNotReadyError, UnknownTopicOrPartitionError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy
from aiokafka.record.default_records import DefaultRecordBase

from agent_runs.settings import KafkaSettings
from consumer.errors import Unavailable
from consumer.kafka.errors import REQUEST_TIMEOUT_S
from consumer.kafka.request_client import RequestClient
from consumer.kafka.transaction_protocol import DescribeProducersRequest, ListTransactionsRequest
from consumer.model.topic_status import OpenTransaction

_CONSUMER: Final = -1  # replica id of a client that is not a broker
_UNCOMMITTED: Final = 0  # isolation levels
_COMMITTED: Final = 1
_BATCH_HEADER: Final = DefaultRecordBase.HEADER_STRUCT
_MAGIC: Final = 2  # the version of the format
_LOG_APPEND_TIME: Final = DefaultRecordBase.TIMESTAMP_TYPE_MASK
_CONTROL: Final = DefaultRecordBase.CONTROL_MASK
_MARKERS: Final = 20  # consecutive transaction markers that a search for a record passes


class LogEnds(NamedTuple):
    """The offsets that bound one partition's log.

    Attributes:
        start_offset: of the first record.
        stable_offset: the last stable offset: where the oldest open transaction begins; without one, `end_offset`.
            Consumers read only what is before it.
        end_offset: the high watermark: the offset after the last record, whether or not its transaction is open.
    """

    start_offset: int
    stable_offset: int
    end_offset: int


class LogWatch:
    """Reads about one topic, with requests that take at most `timeout_s`. Connects to Kafka at the first call."""

    def __init__(self, kafka: KafkaSettings, topic: str, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._topic = topic
        self._client = RequestClient(kafka, topic, timeout_s=timeout_s)

    async def ends(self) -> dict[int, LogEnds]:
        """Return the ends of all partitions, without those that have no leader now. Three requests for each leader.

        Raises:
            Unavailable: a broker does not answer in time, or the topic does not exist.
        """
        return await self._client.run(self._read_ends)

    async def first_after(self, times_ms: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        """Return offset and timestamp of the first record of each partition that is newer than a time.

        Brokers search their indexes and return no records. One request for each leader. A partition is left out if it
        has no such record or no leader.

        Args:
            times_ms: by partition, in milliseconds since 1970.

        Raises:
            Unavailable: a broker does not answer in time.
        """

        async def read(client: AIOKafkaClient) -> dict[int, tuple[int, int]]:
            found: dict[int, tuple[int, int]] = {}
            for leader, partitions in self._partitions_by_leader(client).items():
                wanted = {number: max(0, times_ms[number] + 1) for number in partitions if number in times_ms}
                if wanted:
                    found |= await self._list_offsets(client, leader, wanted, _UNCOMMITTED)
            return {partition: (offset, time_ms) for partition, (offset, time_ms) in found.items() if offset >= 0}

        return await self._client.run(read)

    async def written_at(self, partition: int, offset: int) -> int | None:
        """Return when the first record at or after an offset was written, in milliseconds since 1970.

        It is the timestamp of the record's batch, which is the record's own if the topic has LogAppendTime. A record
        counts even if its transaction is open or was aborted. None if there is no record. Fetches one batch.

        Raises:
            Unavailable: the broker does not answer in time.
        """

        async def read(client: AIOKafkaClient) -> int | None:
            position = offset
            for _ in range(_MARKERS):
                batch = await self._fetch(client, partition, position)
                if len(batch) < _BATCH_HEADER.size:
                    return None
                base, _, _, magic, _, attributes, last_delta, first, largest, *_ = _BATCH_HEADER.unpack_from(batch)
                if magic != _MAGIC:
                    return None
                if not attributes & _CONTROL:
                    return int(largest if attributes & _LOG_APPEND_TIME else first)
                position = base + last_delta + 1
            return None

        return await self._client.run(read)

    async def open_transaction(self, partition: int) -> OpenTransaction | None:
        """Return the oldest open transaction in a partition; None if there is none, or Kafka does not report it.

        Brokers before Kafka 2.8 do not report it, and those before 3.0 do not report the `transactional.id`.

        Raises:
            Unavailable: a broker does not answer in time, or is too old.
        """
        oldest = await self._client.run(lambda client: self._oldest_transaction(client, partition))
        if oldest is None:
            return None
        with suppress(Unavailable):  # without the name it is still useful
            name = await self._client.run(lambda client: _transactional_id(client, oldest))
            return oldest._replace(transactional_id=name)
        return oldest

    async def close(self) -> None:
        """Disconnect from Kafka. Errors are ignored. A later call connects again."""
        await self._client.close()

    async def _read_ends(self, client: AIOKafkaClient) -> dict[int, LogEnds]:
        found: dict[int, LogEnds] = {}
        for leader, partitions in self._partitions_by_leader(client).items():
            starts = await self._offsets(client, leader, partitions, OffsetResetStrategy.EARLIEST, _UNCOMMITTED)
            # The end before the stable offset: in the other order, a record written in between would seem to be in
            # an open transaction.
            ends = await self._offsets(client, leader, partitions, OffsetResetStrategy.LATEST, _UNCOMMITTED)
            stable = await self._offsets(client, leader, partitions, OffsetResetStrategy.LATEST, _COMMITTED)
            for partition in starts.keys() & ends.keys() & stable.keys():
                end = max(ends[partition], stable[partition])
                found[partition] = LogEnds(starts[partition], stable[partition], end)
            if len(found) < len(partitions):
                client.force_metadata_update()  # a leader has changed
        return found

    def _partitions_by_leader(self, client: AIOKafkaClient) -> Mapping[int, list[int]]:
        partitions = client.cluster.partitions_for_topic(self._topic)
        if not partitions:
            raise UnknownTopicOrPartitionError(self._topic)
        by_leader: dict[int, list[int]] = defaultdict(list)
        for partition in sorted(partitions):
            by_leader[self._leader(client, partition)].append(partition)
        # Partitions without a leader are left out.
        brokers = {broker.nodeId for broker in client.cluster.brokers()}
        return {leader: led for leader, led in by_leader.items() if leader in brokers}

    def _leader(self, client: AIOKafkaClient, partition: int) -> int:
        leader = client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
        return -1 if leader is None else int(leader)

    async def _send_to_leader(self, client: AIOKafkaClient, partition: int, request: Any) -> Any:
        leader = self._leader(client, partition)
        if leader not in {broker.nodeId for broker in client.cluster.brokers()}:
            raise NodeNotReadyError(f"partition {partition} has no leader now")
        return await client.send(leader, request)

    async def _offsets(
        self, client: AIOKafkaClient, leader: int, partitions: Sequence[int], which: int, isolation: int
    ) -> dict[int, int]:
        found = await self._list_offsets(client, leader, dict.fromkeys(partitions, which), isolation)
        return {partition: offset for partition, (offset, _) in found.items()}

    async def _list_offsets(
        self, client: AIOKafkaClient, leader: int, times: Mapping[int, int], isolation: int
    ) -> dict[int, tuple[int, int]]:
        """Return offset and timestamp of the first record at or after each time, or at one of the log's ends."""
        response = await client.send(leader, OffsetRequest(_CONSUMER, isolation, [(self._topic, [*times.items()])]))
        answers = (answer for _, of_topic in response.topics for answer in of_topic)
        return {partition: (offset, time_ms) for partition, code, time_ms, offset in answers if not code}

    async def _fetch(self, client: AIOKafkaClient, partition: int, offset: int) -> bytes:
        """Return the batch with the record at an offset; empty if there is none."""
        # One byte: a broker returns at least one batch, and with this limit no second one.
        request = FetchRequest(0, 0, 1, _UNCOMMITTED, [(self._topic, [(partition, offset, 1)])])
        response = await self._send_to_leader(client, partition, request)
        batches: list[bytes | None] = [answer[-1] for _, of_topic in response.topics for answer in of_topic]
        return (batches[0] if batches else None) or b""

    async def _oldest_transaction(self, client: AIOKafkaClient, partition: int) -> OpenTransaction | None:
        request = DescribeProducersRequest(self._topic, [partition])
        response = await self._send_to_leader(client, partition, request)
        producers: list[Any] = [
            producer for topic in response.topics for answer in topic[1] for producer in answer[3] or ()
        ]
        transactions = [
            OpenTransaction(start_offset, producer_id, epoch)
            for producer_id, epoch, _, _, _, start_offset, _ in producers
            if start_offset >= 0
        ]
        return min(transactions, default=None)


async def _transactional_id(client: AIOKafkaClient, transaction: OpenTransaction) -> str | None:
    """Return the `transactional.id` of the producer. Each broker knows those that it coordinates."""
    for broker in client.cluster.brokers():
        response = await client.send(broker.nodeId, ListTransactionsRequest([transaction.producer_id]))
        for transactional_id, found_id, _, _ in response.transactions or ():
            if found_id == transaction.producer_id:
                return str(transactional_id)
    return None
