"""The events of a run and its row: S4, S5, S6, S12, and the one assumption about runs that the rest rests on, P1."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.checker.log import Place
from tests.checker.step import Step, differences, run_violation, shortened
from tests.checker.violations import Rule, Violation


def one_partition(step: Step) -> Iterator[Violation]:
    for run_id, seen in step.model.split.items():
        yield run_violation(Rule.ONE_PARTITION, run_id, f"has events in partitions {sorted(seen)}")


def gap_free(step: Step) -> Iterator[Violation]:
    for run_id in sorted(step.events_by_run.keys() | step.runs.keys()):
        first = step.before(run_id).event_count
        numbers = [row.event_seq for row in step.events_by_run.get(run_id, ())]
        should = range(first, first + len(numbers))
        if numbers != list(should):
            yield run_violation(
                Rule.GAP_FREE, run_id, f"{shortened(numbers)} are the numbers of its events, not {should}"
            )
        run = step.run(run_id)
        if run is not None and run.event_count != should.stop:
            yield run_violation(Rule.GAP_FREE, run_id, f"event_count is {run.event_count}, not {should.stop}")


def order(step: Step) -> Iterator[Violation]:
    for run_id, rows in step.events_by_run.items():
        # A letter that became an event later has the run's next number, wherever its record stands.
        in_turn = [row for row in rows if Place(row.source_partition, row.source_offset) not in step.retried]
        numbered = [(row.event_seq, row.source_offset) for row in in_turn]
        for (_, before), (number, after) in pairwise([(-1, step.before(run_id).last_offset), *numbered]):
            if after < before:
                yield run_violation(Rule.ORDER, run_id, f"number {number} is offset {after}, after {before}")


def projection(step: Step) -> Iterator[Violation]:
    for run_id in sorted({*step.outcome.before, *step.outcome.parents, *step.runs}):
        should, row = step.model.row(run_id), step.run(run_id)
        if row is None and run_id in step.outcome.before:
            yield run_violation(Rule.PROJECTION, run_id, "has no row")
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
            yield run_violation(Rule.PROJECTION, run_id, difference)


def references(step: Step) -> Iterator[Violation]:
    """A parent run has a row, though it may be one that only its children have made.

    A parent event is another thing: it may come later or never, and the event that names it is stored all the same, as
    it was sent. Completeness and fidelity ask for that; and of two events that are there, order tells the numbers.
    """
    for run_id in sorted(step.outcome.parents):
        if step.run(run_id) is None:
            yield run_violation(Rule.REFERENCES, run_id, "has no row, but is parents as a parent")
