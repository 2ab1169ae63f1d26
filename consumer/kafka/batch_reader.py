"""Fetches one record batch as bytes, without the Kafka client's parser."""

from typing import Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest

from agent_runs.settings import KafkaSettings
from consumer.errors import UsageError
from consumer.kafka.record_batches import RecordBatch, first_batch, parse_batch
from consumer.kafka.request_client import RequestClient
from consumer.model.records import Record, UnreadableRecord

_READ_COMMITTED: Final = 1
_MAX_WAIT_MS: Final = 1000
_ONE_BATCH: Final = 1  # byte: a broker returns one whole batch, however large it is


class UnreadableBatch(NamedTuple):
    """The rest of a record batch that the Kafka client cannot read, from one of its records on.

    Attributes:
        records: at least one; the first is an UnreadableRecord.
        end_offset: the offset after the batch.
    """

    records: list[Record]
    end_offset: int


async def read_unreadable(
    kafka: KafkaSettings, topic: str, partition: int, offset: int, problem: str
) -> UnreadableBatch | None:
    """Return the rest of a batch whose record at `offset` the client cannot read; None if the log has none there.

    Args:
        kafka: how to reach the brokers.
        topic: the name of the topic.
        partition: the partition's number.
        offset: the offset of the record.
        problem: the client's error.

    Raises:
        Unavailable: no broker answers.
        UsageError: the header of the batch is damaged, so that the next batch cannot be found.
    """
    batch = await fetch_batch(kafka, topic, partition, offset)
    if batch is None:
        return None
    following = await fetch_batch(kafka, topic, partition, batch.end_offset)
    if batch.end_offset <= offset or (following is not None and following.offset < batch.end_offset):
        raise UsageError("the header of the record batch is damaged: the offset of the next batch is not known")
    first, *others = parse_batch(partition, batch, max(offset, batch.offset))
    return UnreadableBatch([UnreadableRecord.from_record(first, problem), *others], batch.end_offset)


async def fetch_batch(kafka: KafkaSettings, topic: str, partition: int, offset: int) -> RecordBatch | None:
    """Return the batch that holds `offset`, or the next batch after it; None if the log ends there.

    Raises:
        Unavailable: no broker answers.
        UsageError: the bytes that the broker returned are not a record batch.
    """
    client = RequestClient(kafka, topic)
    try:
        data = await client.run(lambda connected: _fetch(connected, topic, partition, offset))
    finally:
        await client.close()
    return first_batch(data) if data else None


async def _fetch(client: AIOKafkaClient, topic: str, partition: int, offset: int) -> bytes:
    leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
    if leader is None or leader < 0:
        raise KafkaConnectionError(f"partition {partition} has no leader")
    wanted = [(topic, [(partition, offset, _ONE_BATCH)])]
    response = await client.send(leader, FetchRequest(_MAX_WAIT_MS, 1, _ONE_BATCH, _READ_COMMITTED, wanted))
    ((_, ((_, code, *_, data),)),) = response.topics
    if for_code(code) is OffsetOutOfRangeError:
        return b""
    if code:
        raise for_code(code)(f"partition {partition} offset {offset}")
    return bytes(data or b"")
