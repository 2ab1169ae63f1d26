"""Records, and the events and rejections that they become."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, Self

import msgspec

from agent_runs.codec.decode import Envelope, UnknownEnvelope
from agent_runs.codec.json_scan import without_unstorable

# The range of both `datetime` and timestamptz, in milliseconds since 1970: the years 1 to 9999.
_EARLIEST_MS: Final = -62_135_596_800_000
_LATEST_MS: Final = 253_402_300_799_999
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


class Fingerprint(NamedTuple):
    """The offset and timestamp of a record. In a log that was deleted and created again, another timestamp is there.

    Attributes:
        timestamp_ms: in milliseconds since 1970; 0 if no column can hold the timestamp. Then only the offset
            distinguishes two logs.
    """

    offset: int
    timestamp_ms: int

    @classmethod
    def of(cls, offset: int, timestamp_ms: int) -> Self:
        """Return the fingerprint of the record with this offset and this timestamp."""
        return cls(offset, storable_timestamp(timestamp_ms) or 0)


class Reason(StrEnum):
    """Why a record is rejected. If several reasons apply, the first in this order is used."""

    MISSING_KEY = "missing_key"
    INVALID_KEY = "invalid_key"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    INVALID_EVENT = "invalid_event"
    STORE_REJECTED = "store_rejected"
    EVENT_ID_CONFLICT = "event_id_conflict"
    UNREADABLE = "unreadable"  # an operator skipped a record that halted its partition


class Event(msgspec.Struct, gc=False):
    """A record with a valid event.

    Attributes:
        value: the message as it is stored in `event_data`.
        raw: the exact message, if `value` had to be changed to be storable; else None.
    """

    run_id: str
    envelope: Envelope | UnknownEnvelope
    value: bytes
    raw: bytes | None
    record: Record

    @property
    def key(self) -> tuple[str, str]:
        """The run id and the event id: together unique in `run_events`."""
        return self.run_id, self.envelope.id

    def make_storable(self) -> bool:
        """Replace what JSONB cannot hold in `value`, and keep the exact bytes in `raw`. Returns whether it changed."""
        value = without_unstorable(self.value)
        if value is self.value:
            return False
        self.raw, self.value = self.value, value
        return True

    @property
    def coordinates(self) -> tuple[int, int]:
        """The partition and the offset: unique in the topic."""
        return self.record.partition, self.record.offset


class Rejection(msgspec.Struct, gc=False):
    """A rejected record, its reason and the detail."""

    record: Record
    reason: Reason
    detail: str

    @property
    def offset_count(self) -> int:
        """How many offsets the rejection stands for."""
        return self.record.offset_count if isinstance(self.record, UnreadableRecord) else 1


def size_bytes(record: Record) -> int:
    """Return the size of the key, the value and the headers. Without the headers, a batch would have no bound."""
    size = len(record.value or b"") + len(record.key or b"")
    if record.headers:
        size += sum(len(name) + len(value or b"") for name, value in record.headers)
    return size


def storable_timestamp(timestamp_ms: int) -> int | None:
    """Return the timestamp; None if `datetime` or timestamptz cannot hold it."""
    return timestamp_ms if _EARLIEST_MS <= timestamp_ms <= _LATEST_MS else None


def storable_text(text: str) -> str:
    """Return the text with NUL and lone surrogates replaced: PostgreSQL cannot hold them, and headers may have them."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")
