"""The events of a run and its row: S4, S5, S6, and the one assumption about runs that the rest rests on, P1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.checker.case import Case, differences, of_run, shown
from tests.checker.violations import Rule, Violation


def one_partition(case: Case) -> Iterator[Violation]:
    partitions: dict[str, set[int]] = defaultdict(set)
    for place, event in case.expected.events.items():
        partitions[event.run_id].add(place.partition)
    for run_id, seen in partitions.items():
        if len(seen) > 1:
            yield of_run(Rule.ONE_PARTITION, run_id, f"has events in partitions {sorted(seen)}")


def gap_free(case: Case) -> Iterator[Violation]:
    for run_id in sorted(case.events_by_run.keys() | case.runs.keys()):
        numbers = [row.event_seq for row in case.events_by_run.get(run_id, ())]
        if numbers != list(range(len(numbers))):
            yield of_run(Rule.GAP_FREE, run_id, f"its {len(numbers)} events have the numbers {shown(numbers)}")
        run = case.runs.get(run_id)
        if run is not None and run.event_count != len(numbers):
            yield of_run(Rule.GAP_FREE, run_id, f"event_count is {run.event_count}, not {len(numbers)}")


def order(case: Case) -> Iterator[Violation]:
    for run_id, rows in case.events_by_run.items():
        for before, after in pairwise(rows):
            if after.source_offset < before.source_offset:
                message = f"number {after.event_seq} is offset {after.source_offset}, after {before.source_offset}"
                yield of_run(Rule.ORDER, run_id, message)


def projection(case: Case) -> Iterator[Violation]:
    for run_id, should in case.expected.run_rows.items():
        row = case.runs.get(run_id)
        if row is None:
            yield of_run(Rule.PROJECTION, run_id, "has no row")
            continue
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
