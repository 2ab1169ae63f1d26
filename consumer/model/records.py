"""Records, and the events and rejections that they become."""

from typing import NamedTuple, Self

import msgspec

from agent_runs.codec.decode import Envelope, UnknownEnvelope
from agent_runs.codec.json_scan import without_unstorable
from agent_runs.codec.records import Reason, storable_timestamp
from agent_runs.kafka.records import Record, UnreadableRecord


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


def storable_text(text: str) -> str:
    """Return the text with NUL and lone surrogates replaced: PostgreSQL cannot hold them, and headers may have them."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")
