"""The records of a topic, with partition and offset computed before they are published.

Therefore rows with the same content as the consumer's, except `created_at`, are prepared without consuming the topic.
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
    """The fields of a record that is published later. `timestamp` is in milliseconds since 1970."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def plan_records(messages: Iterable[Message], partitions: int) -> Iterator[PlannedRecord]:
    """Yield the messages as records of an empty topic, in the partitions that Java clients choose by default."""

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
    """Return the event of a record, and its number within its run, from 0.

    Args:
        counts: the number of events of each run so far; incremented.
    """
    event = decode(record, _MAX_EVENT_BYTES)
    assert isinstance(event, Event), event
    counts[event.run_id] += 1
    return event, counts[event.run_id] - 1
