"""An oracle that cannot fail proves nothing: every rule goes red for a corruption of its own kind, and for no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.checker import Rule, compare, determinism, replay
from tests.checker.log import Extent, Log
from tests.checker.tables import EventRow, OffsetRow, RunRow, Tables
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


def test_tables_that_tell_the_truth_break_no_rule() -> None:
    assert compare(LOG, TABLES) == []
    assert compare(LOG, AUDITED) == []


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_lie_breaks_its_own_rule_and_no_other(corruption: str) -> None:
    # Given tables that were right,
    broken, steps = CORRUPTIONS[corruption]
    tables = AUDITED
    # when they are made to tell this corruption,
    for step in steps:
        tables = step(tables)
    # then exactly the rule that it breaks says so.
    assert {violation.rule for violation in compare(LOG, tables)} == broken


def test_every_rule_about_rows_has_a_lie_that_breaks_it() -> None:
    elsewhere = {Rule.ONE_PARTITION, Rule.REPLAY, Rule.DETERMINISM}
    assert set().union(*(broken for broken, _ in CORRUPTIONS.values())) == set(Rule) - elsewhere


def test_a_partition_that_is_not_consumed_to_its_end_is_no_violation_before_the_end() -> None:
    # Given tables that know nothing of partition 1 yet, so that the parent's times are those of run r1's start,
    behind = replace(
        TABLES,
        runs=[replace(TABLES.runs[0], created_at=1000, updated_at=1000, status_changed_at=1000), *TABLES.runs[1:3]],
        events=TABLES.events[:5],
        offsets=[TABLES.offsets[0], OffsetRow("t", 1, 5, 5, None, None, 0)],
    )
    # when they are judged in the midst of consuming, then all is well;
    assert compare(LOG, behind, finished=False) == []
    # when they are said to be final, then every record that is missing is parents.
    subjects = [violation.subject for violation in compare(LOG, behind) if violation.rule is Rule.COMPLETENESS]
    assert subjects == ["partition 1 offset 5", "partition 1 offset 6"]


def test_rows_above_the_stored_offset_are_reported() -> None:
    # Given a stored offset that lags behind what is stored,
    torn = offsets(0, next_offset=7, last_offset=6, last_timestamp=1060)(TABLES)
    # when the tables are judged, then the row beyond it is parents.
    found = [violation for violation in compare(LOG, torn, finished=False) if violation.rule is Rule.WATERMARK]
    assert "partition 0 offset 7" in {violation.subject for violation in found}


def test_a_topic_of_which_nothing_was_consumed_is_reported_record_by_record() -> None:
    found = compare(LOG, Tables([], [], [], []))
    assert {violation.rule for violation in found} == {Rule.COMPLETENESS}
    assert len(found) == len(LOG.records)


def test_a_run_in_two_partitions_is_named_and_nothing_is_guessed_about_it() -> None:
    # Given a log in which somebody published a run's event to another partition,
    log = replace(LOG, records=[*LOG.records[:-1], record(1, 6, 910, b"r1", WAITING)])
    # when it is judged, then the run is parents, and nothing else is said.
    violations = compare(log, TABLES)
    assert [(violation.rule, violation.subject) for violation in violations] == [(Rule.ONE_PARTITION, "run 'r1'")]


def test_a_smaller_limit_makes_a_record_too_large() -> None:
    # Given the same tables, when the service is said to take no value of over 100 bytes,
    found = compare(LOG, TABLES, max_event_bytes=100)
    # then the start of run r1 should have been refused.
    assert Rule.VALIDITY in {violation.rule for violation in found}


def test_consuming_again_may_count_repeats_and_nothing_else() -> None:
    # Given tables, and the same ones after four records of partition 0 were consumed again,
    again = offsets(0, repeats=5)(TABLES)
    # when they are compared, then all is well, unless a record is counted once too often,
    assert replay(TABLES, again, {0: 4}) == []
    assert {violation.rule for violation in replay(TABLES, again, {0: 3})} == {Rule.REPLAY}
    # or anything else is not as it was.
    for corruption in (
        less("events", 0),
        run("r1", updated_at=1080),
        letter(2, state="resolved"),
        offsets(1, last_offset=7),
    ):
        assert {violation.rule for violation in replay(TABLES, corruption(again), {0: 4})} == {Rule.REPLAY}


def test_two_databases_of_one_log_are_equal_row_by_row() -> None:
    # Given the same rows in another order, when they are compared, then all is well;
    other = replace(TABLES, events=TABLES.events[::-1])
    assert determinism(TABLES, other) == []
    # when any row differs, then that is said.
    for corruption in (
        less("runs", 0),
        event(7, event_seq=4),
        letter(2, reason="invalid_event"),
        offsets(0, repeats=2),
    ):
        assert {violation.rule for violation in determinism(TABLES, corruption(other))} == {Rule.DETERMINISM}


def test_a_violation_says_rule_place_and_difference() -> None:
    (violation,) = compare(LOG, run("r1", status="failed")(TABLES))
    assert str(violation) == "S6 projection: run 'r1': status is 'failed', not 'completed'"


def test_a_parent_event_may_come_late_or_never_or_be_the_event_itself() -> None:
    # Given events that name one that comes later, one that never does, and themselves,
    note = '{{"type":"note","id":"{}","timestamp":"2026-03-01T12:00:00Z","parent_event_id":"{}"}}'
    pairs = [("c1", "c2"), ("c2", "nobody"), ("c3", "c3")]
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
    # when they are stored as they came, then all is well.
    assert compare(Log("t", {0: Extent(0, 3)}, records), tables) == []
