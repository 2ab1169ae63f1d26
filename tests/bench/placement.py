"""Where each message will stand in the log: the rows that become of them can be made before anything is consumed."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Final

from aiokafka.partitioner import murmur2
from msgspec import Struct

from consumer.copy_format import encode_events
from consumer.decoding import decode
from consumer.records import Event
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


def place(messages: Sequence[Message], partitions: int) -> list[Placed]:
    """The messages at their places in a topic that is empty; their partitions are those of every Java client."""

    @cache
    def partition_of(run_id: str) -> int:
        return int(murmur2(run_id.encode()) & 0x7FFFFFFF) % partitions

    ends: Counter[int] = Counter()
    placed = []
    for message in messages:
        partition = partition_of(message.run_id)
        offset = ends[partition]
        placed.append(Placed(partition, offset, _SENT_AT_MS, message.run_id.encode(), message.value))
        ends[partition] += 1
    return placed


def streams(placed: Sequence[Placed], batch_records: int) -> list[list[bytes]]:
    """For each batch the binary COPY stream, in pieces, of the rows that the consumer would make of it."""
    counts: Counter[str] = Counter()
    batches = [placed[i : i + batch_records] for i in range(0, len(placed), batch_records)]
    return [list(encode_events([numbered(record, counts) for record in batch])) for batch in batches]


def numbered(record: Placed, counts: Counter[str]) -> tuple[Event, int]:
    """The event of a record, and its number within its run."""
    event = decode(record, _MAX_EVENT_BYTES)
    assert isinstance(event, Event), event
    counts[event.run_id] += 1
    return event, counts[event.run_id] - 1
