"""Where each message will stand in the log: the rows that become of them can be made before anything is consumed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from aiokafka.partitioner import murmur2
from msgspec import Struct

from consumer.ingest.decoding import decode
from consumer.model.records import Event
from consumer.postgres.copy_format import encode_events
from tests.bench.workload import Message

_MAX_EVENT_BYTES: Final = 1 << 20
_SENT_AT_MS: Final = 1_767_225_600_000


class Placed(Struct, gc=False):
    """A message at its place in the log: a record before there is one."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def place(messages: Iterable[Message], partitions: int) -> Iterator[Placed]:
    """The messages at their places in a topic that is empty; their partitions are those of every Java client."""

    @lru_cache(10_000)
    def partition_of(run_id: str) -> int:
        return int(murmur2(run_id.encode()) & 0x7FFFFFFF) % partitions

    ends: Counter[int] = Counter()
    for message in messages:
        partition = partition_of(message.run_id)
        offset = ends[partition]
        ends[partition] += 1
        yield Placed(partition, offset, _SENT_AT_MS, message.run_id.encode(), message.value)


def streams(placed: Sequence[Placed], batch_records: int, batch_bytes: int) -> list[list[bytes]]:
    """For each batch the binary COPY stream, in pieces, of the rows that the consumer would make of it."""
    counts: Counter[str] = Counter()
    batches = _batches(placed, batch_records, batch_bytes)
    return [list(encode_events([numbered(record, counts) for record in batch])) for batch in batches]


def _batches(placed: Sequence[Placed], batch_records: int, batch_bytes: int) -> Iterator[Sequence[Placed]]:
    start = size = 0
    for place, record in enumerate(placed):
        size += len(record.value or b"")
        if size >= batch_bytes or place + 1 - start == batch_records:
            yield placed[start : place + 1]
            start, size = place + 1, 0
    if start < len(placed):
        yield placed[start:]


def numbered(record: Placed, counts: Counter[str]) -> tuple[Event, int]:
    """The event of a record, and its number within its run."""
    event = decode(record, _MAX_EVENT_BYTES)
    assert isinstance(event, Event), event
    counts[event.run_id] += 1
    return event, counts[event.run_id] - 1
