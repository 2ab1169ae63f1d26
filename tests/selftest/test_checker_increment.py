"""The same lies, told while the tables grow: the watch finds each of them in the snapshot that has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.checker import Rule, Violation
from tests.checker.incremental import IncrementalChecker, LogBuffer
from tests.checker.log import Log
from tests.checker.tables import LossRow, OffsetRow, RunRow, Tables
from tests.selftest.corruptions import AUDITED, CORRUPTIONS, LOG, offsets

# The tables when five records of partition 0 had been passed, and none of the others.
HALFWAY_OFFSETS = [
    OffsetRow("t", 0, 0, 5, 4, 1040, 0),
    OffsetRow("t", 1, 5, 5, None, None, 0),
    OffsetRow("t", 2, 0, 0, None, None, 0),
]
HALFWAY_RUNS = [
    RunRow("p", None, "unknown", None, "running", 1000, 1000, 0, 1000, 0),
    RunRow("r1", "p", "planner", "s", "running", 1000, 1010, 2, 1000, 0),
    RunRow("r2", None, "unknown", None, "waiting", 1040, 1040, 1, 1040, 0),
]


def snapshots(tables: Tables) -> tuple[Tables, Tables]:
    """What a first snapshot saw when the tables were halfway there, and what a second one had that was new."""
    moves = sorted(tables.moves or (), key=lambda move: move.number)
    runs = [row for row in HALFWAY_RUNS if row.id in {row.id for row in tables.runs}]
    first = replace(
        tables,
        runs=runs,
        events=[row for row in tables.events if _was_there(row.source_partition, row.source_offset)],
        offsets=HALFWAY_OFFSETS,
        dead_letters=[row for row in tables.dead_letters if _was_there(row.partition, row.record_offset)],
        moves=[move for move in moves if move.begins is None or move.number == 2],
    )
    second = replace(
        tables,
        runs=[row for row in tables.runs if row not in runs],
        events=[row for row in tables.events if row not in first.events],
        dead_letters=[row for row in tables.dead_letters if row not in first.dead_letters],
        moves=[move for move in moves if move not in (first.moves or ())],
    )
    return first, second


def _was_there(partition: int, offset: int) -> bool:
    return partition == 0 and offset < 5


def watched(*seen: Tables, log: Log = LOG) -> list[Violation]:
    """What is found in one snapshot after the other; the log was there before them."""
    log_buffer = LogBuffer(log.topic, {partition: extent.begin for partition, extent in log.extents.items()})
    for record in log.records:
        log_buffer.add(record)
    for partition, extent in log.extents.items():
        log_buffer.reached(partition, extent.end)
    checker = IncrementalChecker(log_buffer)
    return [violation for tables in seen for violation in checker.classify(tables)]


def rules(violations: Sequence[Violation]) -> set[Rule]:
    return {violation.rule for violation in violations}


def test_tables_that_grow_and_tell_the_truth_break_no_rule() -> None:
    assert watched(*snapshots(AUDITED)) == []


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_lie_is_found_in_the_snapshots_and_breaks_its_own_rule_only(corruption: str) -> None:
    # Given tables that were made to tell a corruption,
    broken, steps = CORRUPTIONS[corruption]
    tables = AUDITED
    for step in steps:
        tables = step(tables)
    # when they are seen growing, then exactly the rule that it breaks says so.
    assert rules(watched(*snapshots(tables))) == broken


def test_a_row_that_was_not_written_back_is_found_though_nothing_about_it_is_new() -> None:
    # Given a run that has new events, and whose row the service forgot,
    first, second = snapshots(AUDITED)
    forgotten = replace(second, runs=[row for row in second.runs if row.id != "r1"])
    # when that is seen, then the row of the snapshot before is held against it.
    assert rules(watched(first, forgotten)) == {Rule.PROJECTION, Rule.GAP_FREE}


def test_rows_above_the_stored_offset_are_found_before_it_passes_them() -> None:
    # Given a snapshot that sees an event which no stored offset has passed,
    first, second = snapshots(AUDITED)
    early = replace(first, events=[*first.events, second.events[0]])
    # when it is judged, then that is said.
    assert Rule.WATERMARK in rules(watched(early))


def test_an_offset_that_goes_back_is_found_without_an_audit() -> None:
    # Given two snapshots, and a third one in which the offset is back where it was,
    first, second = (replace(tables, moves=None) for tables in snapshots(AUDITED))
    back = Tables([], [], offsets(0, next_offset=5)(second).offsets, [])
    # when they are seen, then that alone is said,
    assert rules(watched(first, second, back)) == {Rule.MONOTONIC}
    # unless an operator has accepted the loss.
    assert watched(first, second, replace(back, losses=[LossRow(0, 9, 5)])) == []


def test_nothing_new_is_no_violation() -> None:
    first, second = snapshots(AUDITED)
    again = Tables([], [], second.offsets, [], moves=[])
    assert watched(first, second, again, again) == []


def test_a_run_that_gets_a_second_partition_is_named() -> None:
    # Given a log in which run r1 goes on in partition 1,
    log = replace(LOG, records=[*LOG.records[:-1], replace(LOG.records[-1], key=b"r1")])
    # when it is seen growing, then the run is parents.
    assert rules(watched(*snapshots(AUDITED), log=log)) == {Rule.ONE_PARTITION}
