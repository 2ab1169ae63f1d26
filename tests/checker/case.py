"""A log beside the tables, with the indexes that the rules look things up in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from tests.checker.log import Log, Place, Record
from tests.checker.model import Expected, expect
from tests.checker.tables import EventRow, LetterRow, OffsetRow, RunRow, Tables
from tests.checker.violations import Rule, Violation

SHOWN_CHARACTERS = 160


@dataclass(frozen=True)
class Case:
    log: Log
    tables: Tables
    max_event_bytes: int

    @cached_property
    def offsets(self) -> Mapping[int, OffsetRow]:
        return {row.partition: row for row in self.tables.offsets if row.partition in self.log.extents}

    @cached_property
    def passed(self) -> list[Record]:
        """The records that the stored offsets say have been dealt with."""
        return [record for record in self.log.records if self.is_passed(record.place)]

    @cached_property
    def expected(self) -> Expected:
        return expect(self.passed, self.max_event_bytes)

    @cached_property
    def events(self) -> Mapping[Place, list[EventRow]]:
        rows = defaultdict(list)
        for row in self.tables.events:
            rows[Place(row.source_partition, row.source_offset)].append(row)
        return dict(rows)

    @cached_property
    def letters(self) -> Mapping[Place, list[LetterRow]]:
        rows = defaultdict(list)
        for row in self.tables.letters:
            rows[Place(row.partition, row.record_offset)].append(row)
        return dict(rows)

    @cached_property
    def runs(self) -> Mapping[str, RunRow]:
        return {row.id: row for row in self.tables.runs}

    @cached_property
    def events_by_run(self) -> Mapping[str, list[EventRow]]:
        """The events of each run by number."""
        rows = defaultdict(list)
        for row in sorted(self.tables.events, key=lambda row: row.event_seq):
            rows[row.run_id].append(row)
        return dict(rows)

    def is_passed(self, place: Place) -> bool:
        row = self.offsets.get(place.partition)
        return row is not None and place.offset < row.next_offset


def differences(*columns: tuple[str, object, object]) -> Iterator[str]:
    """A sentence for each (name, stored, should be) that differs."""
    for name, stored, should in columns:
        if stored != should:
            yield f"{name} is {shown(stored)}, not {shown(should)}"


def shown(value: object) -> str:
    """A value short enough for a report: some of ours have 16 MiB."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"


def at(rule: Rule, place: Place, message: str) -> Violation:
    return Violation(rule, f"partition {place.partition} offset {place.offset}", message)


def of_run(rule: Rule, run_id: str, message: str) -> Violation:
    return Violation(rule, f"run {run_id!r}", message)
