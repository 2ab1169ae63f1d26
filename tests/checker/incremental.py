"""The same rules, step by step: what a snapshot has that the last one had not. Pure: log and tables come in as values.

What is judged costs as much as what is new, however much there is already. That is also its limit: a row that was
judged and then vanishes is seen by `compare` only.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Collection, Mapping

from tests.checker.classify import MAX_EVENT_BYTES
from tests.checker.comparison import broken
from tests.checker.log import Extent, Log, Place, Record
from tests.checker.model import Model
from tests.checker.step import Previous, Step, resolved_letters
from tests.checker.tables import RunRow, Tables
from tests.checker.violations import Violation


class LogBuffer:
    """The log as far as it was read. Of a record that the offsets have passed it keeps the offset."""

    def __init__(self, topic: str, begins: Mapping[int, int]) -> None:
        self.topic = topic
        self._begins = begins
        self._positions = dict(begins)
        self._offsets = {partition: array("q") for partition in begins}
        self._ahead: dict[int, deque[Record]] = {partition: deque() for partition in begins}

    @property
    def partitions(self) -> Collection[int]:
        return self._begins.keys()

    def add(self, record: Record) -> None:
        """The next record of its partition; one that was read before is none."""
        partition, offset = record.place
        if offset < self._positions[partition]:
            return
        self._offsets[partition].append(offset)
        self._ahead[partition].append(record)
        self._positions[partition] = offset + 1

    def reached(self, partition: int, offset: int) -> None:
        """There is no record before this offset, after the last one."""
        self._positions[partition] = max(offset, self._positions[partition])

    def lacks(self, offsets: Mapping[int, int]) -> dict[int, int]:
        """Those of the offsets, by partition, that it was not read up to."""
        return {p: offset for p, offset in offsets.items() if self._positions.get(p, offset) < offset}

    def take(self, offsets: Mapping[int, int]) -> Log:
        """The records up to these offsets that were not taken before."""
        records = []
        for partition, ahead in self._ahead.items():
            while ahead and ahead[0].place.offset < offsets.get(partition, 0):
                records.append(ahead.popleft())
        extents = {p: Extent(begin, self._positions[p]) for p, begin in self._begins.items()}
        return Log(self.topic, extents, records, self._offsets)

    def skip(self, partition: int, begins: int, ends: int) -> None:
        """Nobody asks for the records of this range any more."""
        ahead = self._ahead[partition]
        self._ahead[partition] = deque(record for record in ahead if not begins <= record.place.offset < ends)


class IncrementalChecker:
    """Judges one snapshot after the other."""

    def __init__(self, log_buffer: LogBuffer, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._journal = log_buffer
        self._model = Model(max_event_bytes)
        self._runs: dict[str, RunRow] = {}
        self._offsets: dict[int, int] = {}
        self._moved_to: dict[int, int] = {}
        self._retried: set[Place] = set()
        self._lost: set[int] = set()

    @property
    def offsets(self) -> Mapping[int, int]:
        """How far each partition was judged: rows from there on, and all letters and runs that changed, come next."""
        return self._offsets

    def classify(self, tables: Tables) -> list[Violation]:
        """What is wrong in the rows that are new; the log was read after the snapshot, up to its offsets."""
        ends = {row.partition: row.next_offset for row in tables.offsets}
        for loss in tables.losses:
            self._lost.add(loss.partition)
            self._journal.skip(loss.partition, loss.next_offset, loss.resumed_at)
        log = self._journal.take(ends)
        outcome = self._model.advance(log.records, resolved_letters(tables))
        previous = Previous(dict(self._offsets), self._runs, dict(self._moved_to), self._retried, self._lost)
        step = Step(log, tables, self._model, outcome, previous)
        found = broken(step)
        self._retried |= step.retried
        self._remember(tables, ends)
        return found

    def _remember(self, tables: Tables, ends: Mapping[int, int]) -> None:
        for partition, end in ends.items():
            self._offsets[partition] = max(end, self._offsets.get(partition, 0))
        self._runs.update((row.id, row) for row in tables.runs)
        for move in sorted(tables.moves or (), key=lambda move: move.number):
            self._moved_to[move.partition] = move.ends
