"""The checker finds each corruption of the tables, and reports it under its own rules only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.checker import Rule, compare, determinism, replay
from tests.checker.log import Extent, Log
from tests.checker.tables import EventRow, OffsetRow, RunRow, Tables
from tests.selftest.checking import rules
from tests.selftest.corruptions import (
    AUDITED,
    CORRUPTIONS,
    LOG,
    TABLES,
    WAITING,
    event,
    less,
    letter,
    offsets,
    record,
    run,
)


def test_correct_tables_have_no_violation() -> None:
    assert compare(LOG, TABLES) == []
    assert compare(LOG, AUDITED) == []


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_corruption_violates_only_its_own_rules(corruption: str) -> None:
    # Given corrupted tables,
    expected, changes = CORRUPTIONS[corruption]
    tables = AUDITED
    for change in changes:
        tables = change(tables)
    # then only the expected rules are violated.
    assert rules(compare(LOG, tables)) == expected


def test_every_rule_about_rows_has_a_corruption_that_violates_it() -> None:
    elsewhere = {Rule.ONE_PARTITION, Rule.REPLAY, Rule.DETERMINISM}
    assert set().union(*(broken for broken, _ in CORRUPTIONS.values())) == set(Rule) - elsewhere


def test_an_unconsumed_rest_of_a_partition_is_a_violation_only_at_the_end() -> None:
    # Given tables without partition 1, so that the parent's times are those of run r1's start,
    behind = replace(
        TABLES,
        runs=[replace(TABLES.runs[0], created_at=1000, updated_at=1000, status_changed_at=1000), *TABLES.runs[1:3]],
        events=TABLES.events[:5],
        offsets=[TABLES.offsets[0], OffsetRow("t", 1, 5, 5, None, None, 0)],
    )
    # when they are checked before the end, then there is no violation;
    assert compare(LOG, behind, finished=False) == []
    # when they are checked as final, then each unconsumed record is reported.
    subjects = [violation.subject for violation in compare(LOG, behind) if violation.rule is Rule.COMPLETENESS]
    assert subjects == ["partition 1 offset 5", "partition 1 offset 6"]


def test_rows_above_the_stored_offset_are_reported() -> None:
    # Given a stored offset below a stored row,
    torn = offsets(0, next_offset=7, last_offset=6, last_timestamp=1060)(TABLES)
    # then that row is reported.
    found = [violation for violation in compare(LOG, torn, finished=False) if violation.rule is Rule.WATERMARK]
    assert "partition 0 offset 7" in {violation.subject for violation in found}


def test_each_record_of_an_unconsumed_topic_is_reported() -> None:
    found = compare(LOG, Tables([], [], [], []))
    assert rules(found) == {Rule.COMPLETENESS}
    assert len(found) == len(LOG.records)


def test_only_the_split_of_a_run_in_two_partitions_is_reported() -> None:
    # Given a log with an event of run r1 in another partition,
    log = replace(LOG, records=[*LOG.records[:-1], record(1, 6, 910, b"r1", WAITING)])
    # then the run is reported, and nothing else.
    violations = compare(log, TABLES)
    assert [(violation.rule, violation.subject) for violation in violations] == [(Rule.ONE_PARTITION, "run 'r1'")]


def test_a_smaller_limit_makes_a_record_too_large() -> None:
    # Given the same tables and a limit of 100 bytes,
    found = compare(LOG, TABLES, max_event_bytes=100)
    # then the start of run r1 should have been rejected.
    assert Rule.VALIDITY in rules(found)


def test_consuming_again_may_only_increase_the_repeats() -> None:
    # Given tables, and the same tables after four records of partition 0 were consumed again,
    again = offsets(0, repeats=5)(TABLES)
    # then there is no violation, unless a record is counted once too often,
    assert replay(TABLES, again, {0: 4}) == []
    assert {violation.rule for violation in replay(TABLES, again, {0: 3})} == {Rule.REPLAY}
    # or anything else has changed.
    for corruption in (
        less("events", 0),
        run("r1", updated_at=1080),
        letter(2, state="resolved"),
        offsets(1, last_offset=7),
    ):
        assert {violation.rule for violation in replay(TABLES, corruption(again), {0: 4})} == {Rule.REPLAY}


def test_two_databases_of_one_log_are_equal_row_by_row() -> None:
    # Given the same rows in another order, then there is no violation;
    other = replace(TABLES, events=TABLES.events[::-1])
    assert determinism(TABLES, other) == []
    # when any row differs, then it is reported.
    for corruption in (
        less("runs", 0),
        event(7, event_seq=4),
        letter(2, reason="invalid_event"),
        offsets(0, repeats=2),
    ):
        assert rules(determinism(TABLES, corruption(other))) == {Rule.DETERMINISM}


def test_a_violation_names_rule_subject_and_difference() -> None:
    (violation,) = compare(LOG, run("r1", status="failed")(TABLES))
    assert str(violation) == "S6 projection: run 'r1': status is 'failed', not 'completed'"


def test_a_parent_event_may_come_later_or_never_or_be_the_event_itself() -> None:
    # Given events whose parents are a later event, no event, and the event itself,
    note = '{{"type":"note","id":"{}","timestamp":"2026-03-01T12:00:00Z","parent_event_id":"{}"}}'
    pairs = [("c1", "c2"), ("c2", "missing"), ("c3", "c3")]
    records = [record(0, n, 1000 + n, b"r", note.format(*pair)) for n, pair in enumerate(pairs)]
    tables = Tables(
        runs=[RunRow("r", None, "unknown", None, "running", 1000, 1002, 3, 1000, 0)],
        events=[
            EventRow(own, "r", parent, n, "note", note.format(own, parent), 1000 + n, 0, n, None)
            for n, (own, parent) in enumerate(pairs)
        ],
        offsets=[OffsetRow("t", 0, 0, 3, 2, 1002, 0)],
        dead_letters=[],
    )
    # when they are stored as they were sent, then there is no violation.
    assert compare(Log("t", {0: Extent(0, 3)}, records), tables) == []
