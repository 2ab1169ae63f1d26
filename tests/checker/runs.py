"""The events of a run and its row: S4, S5, S6, S12, and the one assumption about runs that the rest rests on, P1."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.checker.log import Place
from tests.checker.step import Case, differences, of_run, shown
from tests.checker.violations import Rule, Violation


def one_partition(case: Case) -> Iterator[Violation]:
    for run_id, seen in case.model.split.items():
        yield of_run(Rule.ONE_PARTITION, run_id, f"has events in partitions {sorted(seen)}")


def gap_free(case: Case) -> Iterator[Violation]:
    for run_id in sorted(case.events_by_run.keys() | case.runs.keys()):
        first = case.before(run_id).event_count
        numbers = [row.event_seq for row in case.events_by_run.get(run_id, ())]
        should = range(first, first + len(numbers))
        if numbers != list(should):
            yield of_run(Rule.GAP_FREE, run_id, f"{shown(numbers)} are the numbers of its events, not {should}")
        run = case.run(run_id)
        if run is not None and run.event_count != should.stop:
            yield of_run(Rule.GAP_FREE, run_id, f"event_count is {run.event_count}, not {should.stop}")


def order(case: Case) -> Iterator[Violation]:
    for run_id, rows in case.events_by_run.items():
        # A letter that became an event later has the run's next number, wherever its record stands.
        in_turn = [row for row in rows if Place(row.source_partition, row.source_offset) not in case.retried]
        numbered = [(row.event_seq, row.source_offset) for row in in_turn]
        for (_, before), (number, after) in pairwise([(-1, case.before(run_id).last_offset), *numbered]):
            if after < before:
                yield of_run(Rule.ORDER, run_id, f"number {number} is offset {after}, after {before}")


def projection(case: Case) -> Iterator[Violation]:
    for run_id in sorted({*case.step.before, *case.step.named, *case.runs}):
        should, row = case.model.row(run_id), case.run(run_id)
        if row is None and run_id in case.step.before:
            yield of_run(Rule.PROJECTION, run_id, "has no row")
        if row is None or should is None:
            continue  # a parent without a row is a broken reference, a row without any event an invention
        for difference in differences(
            ("parent_run_id", row.parent_run_id, should.parent_run_id),
            ("agent_id", row.agent_id, should.agent_id),
            ("session_id", row.session_id, should.session_id),
            ("status", row.status, should.status),
            ("created_at", row.created_at, should.created_at),
            ("updated_at", row.updated_at, should.updated_at),
            ("status_changed_at", row.status_changed_at, should.status_changed_at),
            ("dropped_events", row.dropped_events, should.dropped_events),
        ):
            yield of_run(Rule.PROJECTION, run_id, difference)


def references(case: Case) -> Iterator[Violation]:
    """A parent run has a row, though it may be one that only its children have made.

    A parent event is another thing: it may come later or never, and the event that names it is stored all the same, as
    it was sent. Completeness and fidelity ask for that; and of two events that are there, order tells the numbers.
    """
    for run_id in sorted(case.step.named):
        if case.run(run_id) is None:
            yield of_run(Rule.REFERENCES, run_id, "has no row, but is named as a parent")
