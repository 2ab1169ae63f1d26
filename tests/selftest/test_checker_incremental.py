"""The checker finds each corruption in snapshots of growing tables too, in the snapshot that has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.checker import Rule
from tests.checker.tables import LossRow, OffsetRow, RunRow, Tables
from tests.selftest.checking import incremental_violations, rules
from tests.selftest.corruptions import AUDITED, CORRUPTIONS, LOG, offsets

# The rows after five records of partition 0 were passed, and no others.
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
    """A first snapshot when the tables were half written, and the rows that are new in a second one."""
    moves = sorted(tables.moves or (), key=lambda move: move.number)
    runs = [row for row in HALFWAY_RUNS if row.id in {row.id for row in tables.runs}]
    first = replace(
        tables,
        runs=runs,
        events=[row for row in tables.events if _is_in_first(row.source_partition, row.source_offset)],
        offsets=HALFWAY_OFFSETS,
        dead_letters=[row for row in tables.dead_letters if _is_in_first(row.partition, row.record_offset)],
        moves=[move for move in moves if move.from_offset is None or move.number == 2],
    )
    second = replace(
        tables,
        runs=[row for row in tables.runs if row not in runs],
        events=[row for row in tables.events if row not in first.events],
        dead_letters=[row for row in tables.dead_letters if row not in first.dead_letters],
        moves=[move for move in moves if move not in (first.moves or ())],
    )
    return first, second


def _is_in_first(partition: int, offset: int) -> bool:
    return partition == 0 and offset < 5


def test_growing_tables_that_are_correct_have_no_violation() -> None:
    assert incremental_violations(LOG, *snapshots(AUDITED)) == []


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_corruption_of_growing_tables_violates_only_its_own_rules(corruption: str) -> None:
    # Given corrupted tables,
    expected, changes = CORRUPTIONS[corruption]
    tables = AUDITED
    for change in changes:
        tables = change(tables)
    # when two snapshots of them are checked, then only the expected rules are violated.
    assert rules(incremental_violations(LOG, *snapshots(tables))) == expected


def test_a_run_with_new_events_whose_row_was_not_updated_is_found() -> None:
    # Given a run with new events whose row is not among the new rows,
    first, second = snapshots(AUDITED)
    without_update = replace(second, runs=[row for row in second.runs if row.id != "r1"])
    # then its row of the first snapshot is compared.
    assert rules(incremental_violations(LOG, first, without_update)) == {Rule.PROJECTION, Rule.GAP_FREE}


def test_rows_above_the_stored_offset_are_found_in_the_same_snapshot() -> None:
    # Given a snapshot with an event that no stored offset has passed,
    first, second = snapshots(AUDITED)
    early = replace(first, events=[*first.events, second.events[0]])
    # then it is reported.
    assert Rule.WATERMARK in rules(incremental_violations(LOG, early))


def test_an_offset_that_decreases_is_found_without_an_audit() -> None:
    # Given two snapshots, and a third one with a smaller offset,
    first, second = (replace(tables, moves=None) for tables in snapshots(AUDITED))
    decreased = Tables([], [], offsets(0, next_offset=5)(second).offsets, [])
    # then only that is reported,
    assert rules(incremental_violations(LOG, first, second, decreased)) == {Rule.MONOTONIC}
    # unless an operator has accepted the loss.
    assert incremental_violations(LOG, first, second, replace(decreased, losses=[LossRow(0, 9, 5)])) == []


def test_a_snapshot_without_new_rows_has_no_violation() -> None:
    first, second = snapshots(AUDITED)
    unchanged = Tables([], [], second.offsets, [], moves=[])
    assert incremental_violations(LOG, first, second, unchanged, unchanged) == []


def test_a_run_that_continues_in_a_second_partition_is_reported() -> None:
    # Given a log in which run r1 continues in partition 1,
    log = replace(LOG, records=[*LOG.records[:-1], replace(LOG.records[-1], key=b"r1")])
    # then its split is reported.
    assert rules(incremental_violations(log, *snapshots(AUDITED))) == {Rule.ONE_PARTITION}
