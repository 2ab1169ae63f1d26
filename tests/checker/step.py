"""A log beside the tables, with the indexes that the rules look things up in.

Or a step of both: the records that were passed since the last snapshot, and the rows that are new since then. What came
before is then in the model. A whole log is the first step of all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property

from tests.checker.log import Log, Place
from tests.checker.model import Model, Outcome, Resolved, RunBefore
from tests.checker.tables import DeadLetterRow, EventRow, OffsetRow, RunRow, Tables
from tests.checker.violations import Rule, Violation

SHOWN_CHARACTERS = 160


@dataclass(frozen=True)
class Previous:
    """What the last snapshot said: nothing, before the first one."""

    offsets: Mapping[int, int] = field(default_factory=dict)
    runs: Mapping[str, RunRow] = field(default_factory=dict)
    moved_to: Mapping[int, int] = field(default_factory=dict)  # where the last audited move of a partition ended
    retried: AbstractSet[Place] = frozenset()  # dead_letters whose events were seen
    lost: AbstractSet[int] = frozenset()  # partitions in which an operator accepted a loss


@dataclass(frozen=True)
class Step:
    """`log.records` are the new ones; none lies above the offsets, unless the log was to be consumed whole."""

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
        rows = defaultdict(list)
        for row in self.tables.dead_letters:
            rows[Place(row.partition, row.record_offset)].append(row)
        return dict(rows)

    @cached_property
    def retried(self) -> frozenset[Place]:
        """The dead_letters that became events: these have their place in the log, and a later number in their run."""
        return frozenset(place for place, number in resolved_letters(self.tables).items() if number is not None)

    @cached_property
    def runs(self) -> Mapping[str, RunRow]:
        """The new rows of `agent_runs`."""
        return {row.id: row for row in self.tables.runs}

    @cached_property
    def events_by_run(self) -> Mapping[str, list[EventRow]]:
        """The new events of each run by number. That of a letter comes again whenever its letter changes."""
        rows = defaultdict(list)
        for row in sorted(self.tables.events, key=lambda row: row.event_seq):
            if Place(row.source_partition, row.source_offset) not in self.previous.retried:
                rows[row.run_id].append(row)
        return dict(rows)

    def run(self, run_id: str) -> RunRow | None:
        """The row of a run, new or not."""
        return self.runs.get(run_id) or self.previous.runs.get(run_id)

    def before(self, run_id: str) -> RunBefore:
        """What was not_none of a run before this step."""
        run = self.model.runs.get(run_id)
        return self.outcome.before.get(run_id) or (
            RunBefore(run.event_count, run.last_offset) if run else RunBefore(0, -1)
        )

    def is_passed(self, place: Place) -> bool:
        row = self.offsets.get(place.partition)
        return row is not None and place.offset < row.next_offset

    def expected(self, place: Place) -> str:
        """What a passed record should be, in words."""
        if place in self.model.rejections:
            return f"a dead letter: {self.model.rejections[place].reason}"
        if place in self.outcome.events:
            return "an event"
        return "a repeat" if place in self.outcome.repeats else "an event or a repeat"


def resolved_letters(tables: Tables) -> Resolved:
    """The dead_letters that were resolved, each with the number of its event, None where it has none of its own.

    An event beside a letter that is not resolved is one place too many, and said to be so; everything else is as it
    would be had the letter been resolved.
    """
    numbers = {Place(row.source_partition, row.source_offset): row.event_seq for row in tables.events}
    states = {Place(row.partition, row.record_offset): row.state for row in tables.dead_letters}
    return {place: numbers.get(place) for place, state in states.items() if state == "resolved" or place in numbers}


def differences(*columns: tuple[str, object, object]) -> Iterator[str]:
    """A sentence for each (name, stored, should be) that differs."""
    for name, stored, should in columns:
        if stored != should:
            yield f"{name} is {shortened(stored)}, not {shortened(should)}"


def shortened(value: object) -> str:
    """A value short enough for a report: some of ours have 16 MiB."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"


def at(rule: Rule, place: Place, message: str) -> Violation:
    return Violation(rule, f"partition {place.partition} offset {place.offset}", message)


def partition_violation(rule: Rule, partition: int, message: str) -> Violation:
    return Violation(rule, f"partition {partition}", message)


def run_violation(rule: Rule, run_id: str, message: str) -> Violation:
    return Violation(rule, f"run {run_id!r}", message)
