"""The log: partitions with records, and with offsets that no reader sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from tests.support.corpus import Message

NAME = "run-events"


@dataclass
class LogRecord:
    """A record as the Kafka client gives it."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass
class PartitionLog:
    """One partition; `None` in place of a marker, or of a record whose transaction was aborted.

    Attributes:
        first: the offset of the first entry.
        begins: where retention has left the log.
        open_at: where the transaction begins that is neither committed nor aborted.
        lost: its log no longer has what was to come next: whoever consumes it must halt.
    """

    partition: int
    first: int
    entries: list[LogRecord | None] = field(default_factory=list)
    begins: int = 0
    open_at: int | None = None
    lost: bool = False
    truncated: dict[int, LogRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begins = self.first

    @property
    def ends(self) -> int:
        """The offset behind the last one that a reader of committed records may see."""
        return self.first + len(self.entries) if self.open_at is None else self.open_at

    def append(self, message: Message, timestamp: int) -> None:
        offset = self.first + len(self.entries)
        record = LogRecord(self.partition, offset, timestamp, message.key, message.value, tuple(message.headers))
        self.entries.append(record)

    def begin_transaction(self) -> None:
        self.open_at = self.first + len(self.entries)

    def end_transaction(self, *, committed: bool) -> None:
        """Leaves a marker; of an aborted transaction nothing else."""
        assert self.open_at is not None
        if not committed:
            start = self.open_at - self.first
            self.entries[start:] = [None] * (len(self.entries) - start)
        self.entries.append(None)
        self.open_at = None

    def read(self, position: int, entries: int) -> tuple[list[LogRecord], int]:
        """The records among so many entries, and the position behind them.

        Raises:
            OffsetOutOfRangeError: the log has no such position.
        """
        if not self.begins <= position <= self.ends:
            raise OffsetOutOfRangeError({TopicPartition(NAME, self.partition): position})
        end = min(position + entries, self.ends)
        found = self.entries[position - self.first : end - self.first]
        return [record for record in found if record is not None], end

    def at(self, offset: int) -> LogRecord | None:
        """The record at an offset, if a reader sees one there."""
        return self.entries[offset - self.first]

    def delete_before(self, offset: int) -> None:
        """Retention."""
        self.begins = max(self.begins, min(offset, self.ends))

    def truncate(self, offset: int) -> None:
        """An unclean election: the log ends here now."""
        gone = self.entries[offset - self.first :]
        self.truncated |= {record.offset: record for record in gone if record is not None}
        del self.entries[offset - self.first :]
        self.begins = min(self.begins, offset)
        self.open_at = None

    def history(self) -> list[LogRecord]:
        """All that ever was to be seen, whatever became of it."""
        end = self.ends
        seen = [record for record in self.entries if record is not None and record.offset < end]
        return [*seen, *self.truncated.values()]
