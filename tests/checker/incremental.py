"""Applies the rules snapshot by snapshot, to what is new in each. Pure: log and tables are passed in as values.

The cost is proportional to what is new. The limit: only `compare` finds a row that was checked and then deleted.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Collection, Mapping

from tests.checker.classify import MAX_EVENT_BYTES
from tests.checker.comparison import violations
from tests.checker.log import Extent, Log, Place, Record
from tests.checker.model import Model
from tests.checker.step import Previous, Step, resolved_letters, skipped_places
from tests.checker.tables import RunRow, Tables
from tests.checker.violations import Violation


class LogBuffer:
    """The log as far as it was read: records that the stored offsets have not passed, and the offsets of all others."""

    def __init__(self, topic: str, starts: Mapping[int, int]) -> None:
        self.topic = topic
        self._starts = starts
        self._positions = dict(starts)
        self._offsets = {partition: array("q") for partition in starts}
        self._ahead: dict[int, deque[Record]] = {partition: deque() for partition in starts}

    @property
    def partitions(self) -> Collection[int]:
        return self._starts.keys()

    def add(self, record: Record) -> None:
        """Add the next record of its partition; a record that was added before is ignored."""
        partition, offset = record.place
        if offset < self._positions[partition]:
            return
        self._offsets[partition].append(offset)
        self._ahead[partition].append(record)
        self._positions[partition] = offset + 1

    def reached(self, partition: int, offset: int) -> None:
        """Note that there is no record between the last one and this offset."""
        self._positions[partition] = max(offset, self._positions[partition])

    def missing(self, offsets: Mapping[int, int]) -> dict[int, int]:
        """The offsets, by partition, up to which the log was not read yet."""
        return {p: offset for p, offset in offsets.items() if self._positions.get(p, offset) < offset}

    def take(self, offsets: Mapping[int, int]) -> Log:
        """Remove and return the records below these offsets."""
        records = []
        for partition, ahead in self._ahead.items():
            while ahead and ahead[0].place.offset < offsets.get(partition, 0):
                records.append(ahead.popleft())
        extents = {p: Extent(start, self._positions[p]) for p, start in self._starts.items()}
        return Log(self.topic, extents, records, self._offsets)

    def skip(self, partition: int, start: int, end: int) -> None:
        """Remove the records of a range that an operator has accepted as lost."""
        ahead = self._ahead[partition]
        self._ahead[partition] = deque(record for record in ahead if not start <= record.place.offset < end)


class IncrementalChecker:
    """Checks one snapshot after the other."""

    def __init__(self, log_buffer: LogBuffer, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._log_buffer = log_buffer
        self._model = Model(max_event_bytes)
        self._runs: dict[str, RunRow] = {}
        self._offsets: dict[int, int] = {}
        self._moved_to: dict[int, int] = {}
        self._retried: set[Place] = set()
        self._lost: set[int] = set()

    @property
    def offsets(self) -> Mapping[int, int]:
        """Up to where each partition was checked. The next snapshot must have all events from there on."""
        return self._offsets

    def check(self, tables: Tables) -> list[Violation]:
        """The violations in a snapshot's new rows. The log must have been read up to the snapshot's offsets."""
        ends = {row.partition: row.next_offset for row in tables.offsets}
        for loss in tables.losses:
            self._lost.add(loss.partition)
            self._log_buffer.skip(loss.partition, loss.next_offset, loss.resumed_at)
        log = self._log_buffer.take(ends)
        outcome = self._model.advance(log.records, resolved_letters(tables), skipped_places(tables))
        previous = Previous(dict(self._offsets), self._runs, dict(self._moved_to), self._retried, self._lost)
        step = Step(log, tables, self._model, outcome, previous)
        found = violations(step)
        self._retried |= step.retried
        self._remember(tables, ends)
        return found

    def _remember(self, tables: Tables, ends: Mapping[int, int]) -> None:
        for partition, end in ends.items():
            self._offsets[partition] = max(end, self._offsets.get(partition, 0))
        self._runs.update((row.id, row) for row in tables.runs)
        for move in sorted(tables.moves or (), key=lambda move: move.number):
            self._moved_to[move.partition] = move.to_offset
