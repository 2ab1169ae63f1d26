"""Reads a record batch that the Kafka client cannot parse."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest

from agent_runs.kafka.errors import DamagedBatch
from agent_runs.kafka.record_batches import RecordBatch, first_batch, parse_batch
from agent_runs.kafka.records import Record, UnreadableRecord

_READ_COMMITTED: Final = 1
_MAX_WAIT_MS: Final = 1000
_ONE_BATCH: Final = 1  # byte: a broker returns one whole batch, however large it is

# Returns the bytes of the batch that holds an offset, or of the next one; none if the log ends there.
FetchBytes: TypeAlias = Callable[[int], Awaitable[bytes]]


class UnreadableBatch(NamedTuple):
    """The rest of a record batch that the Kafka client cannot read, from one of its records on.

    Attributes:
        records: at least one; the first is an UnreadableRecord.
        end_offset: the offset after the batch.
    """

    records: list[Record]
    end_offset: int


async def read_unreadable(fetch_bytes: FetchBytes, partition: int, offset: int, problem: str) -> UnreadableBatch | None:
    """Return the rest of a batch whose record at `offset` the client cannot read; None if the log has none there.

    Args:
        fetch_bytes: fetches batches of the partition.
        partition: the partition's number.
        offset: the offset of the record.
        problem: the client's error.

    Raises:
        DamagedBatch: the header of the batch is damaged, so that the next batch cannot be found.
    """
    batch = await _fetch_batch(fetch_bytes, offset)
    if batch is None:
        return None
    following = await _fetch_batch(fetch_bytes, batch.end_offset)
    if batch.end_offset <= offset or (following is not None and following.offset < batch.end_offset):
        raise DamagedBatch("the header of the record batch is damaged: the offset of the next batch is not known")
    first, *others = parse_batch(partition, batch, max(offset, batch.offset))
    return UnreadableBatch([UnreadableRecord.from_record(first, problem), *others], batch.end_offset)


async def _fetch_batch(fetch_bytes: FetchBytes, offset: int) -> RecordBatch | None:
    data = await fetch_bytes(offset)
    return first_batch(data) if data else None


async def fetch_batch_bytes(client: AIOKafkaClient, topic: str, partition: int, offset: int) -> bytes:
    """Return the bytes of the batch that holds `offset`, or of the next one; none if the log ends there.

    Args:
        client: a connected client that knows the leaders of the topic.
        topic: the name of the topic.
        partition: the partition's number.
        offset: an offset of the partition.

    Raises:
        KafkaError: the partition has no leader, or the broker refuses the request.
    """
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
