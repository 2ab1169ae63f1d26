"""What flows through the service: a record of the log becomes an event or a letter, and stays attached to it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, Self

import msgspec

from agent_runs.codec.decode import Envelope, UnknownEnvelope
from agent_runs.codec.scan import without_unstorable

# What `datetime` and timestamptz can both hold, in milliseconds since 1970: the years 1 to 9999.
_EARLIEST_MS: Final = -62_135_596_800_000
_LATEST_MS: Final = 253_402_300_799_999


class Record(Protocol):
    """A record as the Kafka client gives it.

    Attributes:
        timestamp: in milliseconds since 1970.
    """

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Fingerprint(NamedTuple):
    """Identifies a record, and by it the log: another topic of the same name has another timestamp at the offset.

    Attributes:
        timestamp_ms: the record's timestamp; 0 for one that no column can hold, the offset still tells most logs apart.
    """

    offset: int
    timestamp_ms: int

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return the fingerprint of a record."""
        return cls(record.offset, storable_timestamp(record.timestamp) or 0)


class Reason(StrEnum):
    """Why a record is no event of its run. The first one that applies counts, in this order."""

    MISSING_KEY = "missing_key"
    INVALID_KEY = "invalid_key"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    INVALID_EVENT = "invalid_event"
    STORE_REJECTED = "store_rejected"
    EVENT_ID_CONFLICT = "event_id_conflict"


class Event(msgspec.Struct, gc=False):
    """A record that keeps the contract.

    Attributes:
        value: the message as it goes into `event_data`.
        raw: the exact message, where `value` had to be changed to be storable.
    """

    run_id: str
    envelope: Envelope | UnknownEnvelope
    value: bytes
    raw: bytes | None
    record: Record

    @property
    def key(self) -> tuple[str, str]:
        """What is unique in the tables: the run and the event's id."""
        return self.run_id, self.envelope.id

    def make_storable(self) -> bool:
        """Replace what JSONB cannot hold, and keep the exact bytes as `raw`; says whether there was anything."""
        value = without_unstorable(self.value)
        if value is self.value:
            return False
        self.raw, self.value = self.value, value
        return True

    @property
    def coordinates(self) -> tuple[int, int]:
        """What is unique in the log: the partition and the offset."""
        return self.record.partition, self.record.offset


class Rejection(msgspec.Struct, gc=False):
    """A record that does not, and why."""

    record: Record
    reason: Reason
    detail: str


def size_bytes(record: Record) -> int:
    """What a record takes: headers count as the value does, or a batch of small events could be of any size."""
    size = len(record.value or b"") + len(record.key or b"")
    if record.headers:
        size += sum(len(name) + len(value or b"") for name, value in record.headers)
    return size


def storable_timestamp(timestamp_ms: int) -> int | None:
    """The record's timestamp, or None where neither PostgreSQL's readers nor Python could hold it."""
    return timestamp_ms if _EARLIEST_MS <= timestamp_ms <= _LATEST_MS else None


def storable_text(text: str) -> str:
    """Text that PostgreSQL holds: a header's name may have a NUL."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")
