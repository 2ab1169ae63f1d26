"""Rules about runs and their events: S4, S5, S6, S12, and P1, the assumption about partitions behind all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

from tests.checker.log import Place
from tests.checker.step import Step, differences, run_violation, shortened
from tests.checker.violations import Rule, Violation


def one_partition(step: Step) -> Iterator[Violation]:
    """P1: all events of a run are in one partition."""
    for run_id, seen in step.model.split_runs.items():
        yield run_violation(Rule.ONE_PARTITION, run_id, f"has events in partitions {sorted(seen)}")


def gap_free(step: Step) -> Iterator[Violation]:
    """S4: the event_seq of a run's new events continue without gaps, and event_count is the next one."""
    for run_id in sorted(step.events_by_run.keys() | step.runs.keys()):
        first = step.before(run_id).event_count
        numbers = [row.event_seq for row in step.events_by_run.get(run_id, ())]
        expected = range(first, first + len(numbers))
        if numbers != list(expected):
            message = f"its events have the event_seq {shortened(numbers)}, not {expected}"
            yield run_violation(Rule.GAP_FREE, run_id, message)
        run = step.run(run_id)
        if run is not None and run.event_count != expected.stop:
            yield run_violation(Rule.GAP_FREE, run_id, f"event_count is {run.event_count}, not {expected.stop}")


def order(step: Step) -> Iterator[Violation]:
    """S5: event_seq follows the offsets, except for retried dead letters."""
    for run_id, rows in step.events_by_run.items():
        # A retried dead letter gets the run's next event_seq, whatever its offset is.
        in_log_order = [row for row in rows if Place(row.source_partition, row.source_offset) not in step.retried]
        numbered = [(row.event_seq, row.source_offset) for row in in_log_order]
        for (_, before), (number, after) in pairwise([(-1, step.before(run_id).last_offset), *numbered]):
            if after < before:
                message = f"event_seq {number} is at offset {after}, its predecessor at {before}"
                yield run_violation(Rule.ORDER, run_id, message)


def projection(step: Step) -> Iterator[Violation]:
    """S6: a run's row is the fold of its events."""
    for run_id in sorted({*step.outcome.before, *step.outcome.parents, *step.runs}):
        expected, row = step.model.row(run_id), step.run(run_id)
        if row is None and run_id in step.outcome.before:
            yield run_violation(Rule.PROJECTION, run_id, "has no row")
        if row is None or expected is None:
            continue  # S12 reports a parent without a row, S2 a row without any event
        for difference in differences(
            ("parent_run_id", row.parent_run_id, expected.parent_run_id),
            ("agent_id", row.agent_id, expected.agent_id),
            ("session_id", row.session_id, expected.session_id),
            ("status", row.status, expected.status),
            ("created_at", row.created_at, expected.created_at),
            ("updated_at", row.updated_at, expected.updated_at),
            ("status_changed_at", row.status_changed_at, expected.status_changed_at),
            ("dropped_events", row.dropped_events, expected.dropped_events),
            ("completed_by_tool", row.completed_by_tool, expected.completed_by_tool),
            ("open_questions", json.loads(row.open_questions), json.loads(expected.open_questions)),
            ("answered_questions", json.loads(row.answered_questions), json.loads(expected.answered_questions)),
            ("labels", json.loads(row.labels), json.loads(expected.labels)),
        ):
            yield run_violation(Rule.PROJECTION, run_id, difference)


def references(step: Step) -> Iterator[Violation]:
    """S12: each parent run that is named has a row, even if it has no events.

    A parent event needs no rule: it may come later or never, and the event that names it is stored as it was sent (S1,
    S11).
    """
    for run_id in sorted(step.outcome.parents):
        if step.run(run_id) is None:
            yield run_violation(Rule.REFERENCES, run_id, "has no row, but is named as a parent")
