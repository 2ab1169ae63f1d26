"""What reading a topic yields: events and rejections, with their coordinates."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import ClassVar, TypeAlias

import msgspec

from agent_runs.codec.records import Reason, storable_timestamp
from agent_runs.events import RunEvent, UnknownEvent


class TopicEvent(msgspec.Struct, frozen=True):
    """A valid record.

    Attributes:
        run_id: the key of the record.
        partition: the partition of the record.
        offset: the offset of the record.
        timestamp_ms: the record's timestamp, in milliseconds since 1970. The agent's own time is `event.timestamp`.
        event: the typed event; its `original` is the message, as it was published.
        headers: names and values.
    """

    run_id: str
    partition: int
    offset: int
    timestamp_ms: int
    event: RunEvent | UnknownEvent
    headers: Sequence[tuple[str, bytes | None]] = ()

    @property
    def value(self) -> bytes:
        """The message, as it was published."""
        return self.event.original or b""

    @property
    def created_at(self) -> datetime:
        """The record's timestamp, in UTC."""
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)

    def to_json(self) -> bytes:
        """Return the record as JSON on one line: `run_id, created_at, partition, offset, event`, the last as published.

        In valid JSON, line breaks are only between tokens, so they are left out.
        """
        message = msgspec.Raw(self.value.translate(None, b"\r\n"))
        fields = {"partition": self.partition, "offset": self.offset, "event": message}
        return msgspec.json.encode({"run_id": self.run_id, "created_at": self.created_at, **fields})


class TopicRejection(msgspec.Struct, frozen=True):
    """A record that the service stores as a dead letter, or cannot read.

    Attributes:
        partition: the partition of the record.
        offset: the offset of the record.
        timestamp_ms: the record's timestamp, in milliseconds since 1970; of its batch, if its own cannot be read.
        reason: why, as in `dead_letters`; `unreadable`: the Kafka client cannot parse the record.
        detail: the reason in words.
        key: the key; None if the record has none or cannot be read.
        value: the value; None if the record has none or cannot be read.
        headers: names and values.
    """

    partition: int
    offset: int
    timestamp_ms: int
    reason: Reason
    detail: str
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()

    event: ClassVar[None] = None  # a rejected record is no event of its run

    @property
    def created_at(self) -> datetime | None:
        """The record's timestamp, in UTC; None if it is outside the years 1 to 9999."""
        if storable_timestamp(self.timestamp_ms) is None:
            return None
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)

    def to_json(self) -> bytes:
        """Return the record as JSON on one line: `created_at, partition, offset, reason, key, value, detail`.

        `key` and `value` are base64.
        """
        fields = {name: getattr(self, name) for name in ("partition", "offset", "reason", "key", "value")}
        detail = self.detail.encode(errors="backslashreplace").decode()  # it may quote lone surrogates
        return msgspec.json.encode({"created_at": self.created_at, **fields, "detail": detail})


class Progress(msgspec.Struct, frozen=True):
    """How far a reading is.

    Attributes:
        positions: by partition, the offset of the next record. Store them to continue later.
        starts: by partition, the offset at which the log began when the reading started.
        ends: by partition, the offset at which the reading ends, or at which the log ended when the reading started.
        lost: by partition, the offset that was wanted, if the log begins after it.
        records: how many records were read, those of other runs included.
    """

    positions: dict[int, int]
    starts: dict[int, int]
    ends: dict[int, int]
    lost: dict[int, int]
    records: int


TopicItem: TypeAlias = TopicEvent | TopicRejection
# Consecutive items of each partition, to be iterated once, and the progress after them.
Batch: TypeAlias = tuple[Iterator[TopicItem], Progress]


class Skipped(msgspec.Struct, frozen=True):
    """A record that was not copied, because the Kafka client cannot parse it.

    Attributes:
        partition: the partition of the record.
        offset: the offset of the record.
        detail: why it cannot be parsed.
    """

    partition: int
    offset: int
    detail: str


class Copied(Progress, frozen=True, kw_only=True):
    """How far a copy to another topic is. `positions` are the offsets after the last records that were copied.

    Attributes:
        copied: how many records all in-sync replicas of the target have stored.
        skipped: the records that the Kafka client cannot parse.
    """

    copied: int
    skipped: tuple[Skipped, ...]
