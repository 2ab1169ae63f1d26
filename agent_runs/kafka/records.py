"""Records as the Kafka client returns them, and those that it cannot parse."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

_KEPT_BYTES: Final = 16 * 1024 * 1024  # of a record or batch that cannot be parsed


class Record(Protocol):
    """A record as the Kafka client returns it.

    Attributes:
        timestamp: in milliseconds since 1970.
    """

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class PlainRecord(msgspec.Struct, gc=False):
    """A record that the service has parsed itself."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class UnreadableRecord(PlainRecord, gc=False):
    """A record that the Kafka client cannot parse, or the rest of a record batch that cannot be split into records.

    Attributes:
        problem: why it cannot be parsed.
        offset_count: how many offsets it stands for: more than 1 if it is the rest of a batch.
    """

    problem: str
    offset_count: int = 1

    @classmethod
    def from_record(cls, record: Record, problem: str) -> "UnreadableRecord":
        """Return the record if it is unreadable; else an unreadable record with its key, value and headers."""
        if isinstance(record, cls):
            return record
        return cls(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers, problem)

    @classmethod
    def of_bytes(cls, partition: int, offset: int, timestamp: int, raw: bytes, problem: str) -> "UnreadableRecord":
        """Return an unreadable record whose value is `raw`, or the first 16 MiB of it."""
        if len(raw) > _KEPT_BYTES:
            problem = f"{problem}; only the first {_KEPT_BYTES} of its {len(raw)} bytes are kept"
        return cls(partition, offset, timestamp, None, raw[:_KEPT_BYTES], (), problem)
