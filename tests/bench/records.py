"""The records of a topic, with partition and offset computed before they are published.

So the rows that the consumer will write can be prepared without consuming anything.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from aiokafka.partitioner import murmur2
from msgspec import Struct

from consumer.ingest.decoding import decode
from consumer.model.records import Event
from tests.bench.workload import Message

_MAX_EVENT_BYTES: Final = 1 << 20
_TIMESTAMP_MS: Final = 1_767_225_600_000  # 2026-01-01 00:00 UTC


class PlannedRecord(Struct, gc=False):
    """A record with the fields of a Kafka record. `timestamp` is in milliseconds since 1970."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def plan_records(messages: Iterable[Message], partitions: int) -> Iterator[PlannedRecord]:
    """The messages as records of an empty topic, in the partitions that Java clients choose by default."""

    @lru_cache(10_000)
    def partition_of(run_id: str) -> int:
        return int(murmur2(run_id.encode()) & 0x7FFFFFFF) % partitions

    end_offsets: Counter[int] = Counter()
    for message in messages:
        partition = partition_of(message.run_id)
        offset = end_offsets[partition]
        end_offsets[partition] += 1
        yield PlannedRecord(partition, offset, _TIMESTAMP_MS, message.run_id.encode(), message.value)


def numbered_event(record: PlannedRecord, counts: Counter[str]) -> tuple[Event, int]:
    """The event of a record, and its number within its run. Updates `counts`, the number of events of each run."""
    event = decode(record, _MAX_EVENT_BYTES)
    assert isinstance(event, Event), event
    counts[event.run_id] += 1
    return event, counts[event.run_id] - 1
