"""What the rules check: a step of the log and the tables, with indexes over both.

A step holds the records that were passed and the rows that were written since the previous snapshot. The model holds
the state before. A whole log is checked as one step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property

from tests.checker.classify import Reason
from tests.checker.log import Log, Place
from tests.checker.model import Model, Outcome, Resolved, RunBefore
from tests.checker.tables import DeadLetterRow, EventRow, OffsetRow, RunRow, Tables
from tests.checker.violations import Rule, Violation

SHOWN_CHARACTERS = 160


@dataclass(frozen=True)
class Previous:
    """The state of the previous snapshot; empty before the first one.

    Attributes:
        moved_to: by partition, where the last audited move of the offset ended.
        retried: dead letters whose events were already checked.
        lost: partitions in which an operator has accepted a loss.
    """

    offsets: Mapping[int, int] = field(default_factory=dict)
    runs: Mapping[str, RunRow] = field(default_factory=dict)
    moved_to: Mapping[int, int] = field(default_factory=dict)
    retried: AbstractSet[Place] = frozenset()
    lost: AbstractSet[int] = frozenset()


@dataclass(frozen=True)
class Step:
    """New records, new rows and the model's outcome for them.

    `log.records` holds only records below the stored offsets, unless the whole log is checked.
    """

    log: Log
    tables: Tables
    model: Model
    outcome: Outcome
    previous: Previous = field(default_factory=Previous)

    @cached_property
    def offsets(self) -> Mapping[int, OffsetRow]:
        return {row.partition: row for row in self.tables.offsets if row.partition in self.log.extents}

    @cached_property
    def events(self) -> Mapping[Place, list[EventRow]]:
        rows = defaultdict(list)
        for row in self.tables.events:
            rows[Place(row.source_partition, row.source_offset)].append(row)
        return dict(rows)

    @cached_property
    def dead_letters(self) -> Mapping[Place, list[DeadLetterRow]]:
        """By the places of the records that each dead letter stands for."""
        rows = defaultdict(list)
        for row in self.tables.dead_letters:
            rows[Place(row.partition, row.record_offset)].append(row)
            for place in places_of(row)[1:]:
                if self.log.holds(place):
                    rows[place].append(row)
        return dict(rows)

    @cached_property
    def retried(self) -> frozenset[Place]:
        """The dead letters that became events. Their event_seq is later than their place in the log would give."""
        return frozenset(place for place, number in resolved_letters(self.tables).items() if number is not None)

    @cached_property
    def runs(self) -> Mapping[str, RunRow]:
        """The new rows of `agent_runs`."""
        return {row.id: row for row in self.tables.runs}

    @cached_property
    def events_by_run(self) -> Mapping[str, list[EventRow]]:
        """The new events of each run by event_seq, without those of dead letters that were checked before."""
        rows = defaultdict(list)
        for row in sorted(self.tables.events, key=lambda row: row.event_seq):
            if Place(row.source_partition, row.source_offset) not in self.previous.retried:
                rows[row.run_id].append(row)
        return dict(rows)

    def run(self, run_id: str) -> RunRow | None:
        """The row of a run, new or not."""
        return self.runs.get(run_id) or self.previous.runs.get(run_id)

    def before(self, run_id: str) -> RunBefore:
        """The run's counters before this step; 0 events and offset -1 for a new run."""
        if run_id in self.outcome.before:
            return self.outcome.before[run_id]
        run = self.model.runs.get(run_id)
        return RunBefore(run.event_count, run.last_offset) if run else RunBefore(0, -1)

    def is_passed(self, place: Place) -> bool:
        row = self.offsets.get(place.partition)
        return row is not None and place.offset < row.next_offset

    def expected(self, place: Place) -> str:
        """What a passed record should be stored as, for a message."""
        if place in self.model.rejections:
            return f"a dead letter: {self.model.rejections[place].reason}"
        if place in self.outcome.events:
            return "an event"
        return "a repeat" if place in self.outcome.repeats else "an event or a repeat"


def resolved_letters(tables: Tables) -> Resolved:
    """The resolved dead letters, each with the event_seq of its event; None if it has no event of its own.

    An open or discarded dead letter with an event counts as resolved here: `uniqueness` reports it, and no other rule
    should.
    """
    numbers = {Place(row.source_partition, row.source_offset): row.event_seq for row in tables.events}
    states = {Place(row.partition, row.record_offset): row.state for row in tables.dead_letters}
    return {place: numbers.get(place) for place, state in states.items() if state == "resolved" or place in numbers}


def places_of(row: DeadLetterRow) -> list[Place]:
    """The places that a dead letter stands for: several, if a record batch could not be split into records."""
    return [Place(row.partition, row.record_offset + number) for number in range(row.offset_count)]


def skipped_places(tables: Tables) -> frozenset[Place]:
    """The places that an operator has skipped, because their records halted a partition."""
    rows = [row for row in tables.dead_letters if row.reason == Reason.UNREADABLE]
    return frozenset(place for row in rows for place in places_of(row))


def differences(*columns: tuple[str, object, object]) -> Iterator[str]:
    """A message for each (name, stored, expected) that differs."""
    for name, stored, expected in columns:
        if stored != expected:
            yield f"{name} is {shortened(stored)}, not {shortened(expected)}"


def shortened(value: object) -> str:
    """The value's `repr`, cut for a report: values may have 16 MiB."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"


def record_violation(rule: Rule, place: Place, message: str) -> Violation:
    return Violation(rule, f"partition {place.partition} offset {place.offset}", message)


def partition_violation(rule: Rule, partition: int, message: str) -> Violation:
    return Violation(rule, f"partition {partition}", message)


def run_violation(rule: Rule, run_id: str, message: str) -> Violation:
    return Violation(rule, f"run {run_id!r}", message)
