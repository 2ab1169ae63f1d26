"""The log of a topic: partitions with records, and with offsets that hold no visible record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from tests.support.messages import Message

TOPIC = "run-events"


@dataclass
class LogRecord:
    """A record with the fields of aiokafka's ConsumerRecord that the service reads."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass
class PartitionLog:
    """One partition. An entry is `None` for a transaction marker, and for a record of an aborted transaction.

    Attributes:
        base_offset: the offset of the first entry.
        start_offset: the log start offset, which retention moves.
        open_transaction: the first offset of the open transaction, None if there is none.
        truncated: the records that an unclean election removed, by offset.
    """

    partition: int
    base_offset: int
    entries: list[LogRecord | None] = field(default_factory=list)
    start_offset: int = 0
    open_transaction: int | None = None

    truncated: dict[int, LogRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start_offset = self.base_offset

    @property
    def end_offset(self) -> int:
        """The last stable offset: the end of the log for a reader of committed records."""
        return self.base_offset + len(self.entries) if self.open_transaction is None else self.open_transaction

    def append(self, message: Message, timestamp: int) -> None:
        offset = self.base_offset + len(self.entries)
        record = LogRecord(self.partition, offset, timestamp, message.key, message.value, tuple(message.headers))
        self.entries.append(record)

    def begin_transaction(self) -> None:
        self.open_transaction = self.base_offset + len(self.entries)

    def end_transaction(self, *, committed: bool) -> None:
        """Append the marker; an aborted transaction's records become invisible."""
        assert self.open_transaction is not None
        if not committed:
            start = self.open_transaction - self.base_offset
            self.entries[start:] = [None] * (len(self.entries) - start)
        self.entries.append(None)
        self.open_transaction = None

    def read(self, position: int, entries: int) -> tuple[list[LogRecord], int]:
        """The records in the next `entries` entries, and the position after them.

        Raises:
            OffsetOutOfRangeError: the position is outside of the log.
        """
        if not self.start_offset <= position <= self.end_offset:
            raise OffsetOutOfRangeError({TopicPartition(TOPIC, self.partition): position})
        end = min(position + entries, self.end_offset)
        found = self.entries[position - self.base_offset : end - self.base_offset]
        return [record for record in found if record is not None], end

    def at(self, offset: int) -> LogRecord | None:
        """The visible record at an offset, None if there is none."""
        return self.entries[offset - self.base_offset]

    def delete_before(self, offset: int) -> None:
        """Retention: move the log start offset."""
        self.start_offset = max(self.start_offset, min(offset, self.end_offset))

    def truncate(self, offset: int) -> None:
        """An unclean leader election: remove all entries from this offset on."""
        gone = self.entries[offset - self.base_offset :]
        self.truncated |= {record.offset: record for record in gone if record is not None}
        del self.entries[offset - self.base_offset :]
        self.start_offset = min(self.start_offset, offset)
        self.open_transaction = None

    def history(self) -> list[LogRecord]:
        """All records that a reader could ever see, those removed since included."""
        end = self.end_offset
        seen = [record for record in self.entries if record is not None and record.offset < end]
        return [*seen, *self.truncated.values()]
