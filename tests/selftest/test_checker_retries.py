"""The checker accepts what an operator does to dead letters, and finds corruptions of the result.

In the example, a record was too large and became a dead letter. Then the limit was raised, and the dead letter retried:
its event gets the run's next event_seq, which does not follow the order of the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from tests.checker import Rule, Violation, compare
from tests.checker.log import Extent, Log
from tests.checker.tables import DeadLetterRow, EventRow, OffsetRow, RunRow, Tables
from tests.selftest.checking import incremental_violations, rules
from tests.selftest.corruptions import TIME, record

LIMIT = 200
START = f'{{"type":"run_started","id":"a1","timestamp":"{TIME}","agent_id":"planner"}}'
LARGE = f'{{"type":"run_waiting","id":"a2","timestamp":"{TIME}","reason":"{"x" * LIMIT}"}}'
DONE = f'{{"type":"run_completed","id":"a3","timestamp":"{TIME}"}}'
AGAIN = f'{{"type":"input","id":"a4","timestamp":"{TIME}","tool":"x","data":1}}'
ALSO_LARGE = f'{{"type":"run_waiting","id":"a3","timestamp":"{TIME}","reason":"{"y" * LIMIT}"}}'
WRONG = f'{{"type":"run_waiting","id":"a6","timestamp":"{TIME}","reason":7,"more":"{"z" * LIMIT}"}}'

LOG = Log(
    topic="t",
    extents={0: Extent(0, 7)},
    records=[
        record(0, 0, 1000, b"r", START),
        record(0, 1, 1010, b"r", LARGE),
        record(0, 2, 1020, b"r", DONE),
        record(0, 3, 1030, b"r", ALSO_LARGE),  # conflicts with the event at offset 2
        record(0, 4, 1040, b"r", WRONG),  # too large, and also invalid
        record(0, 5, 1050, b"r", AGAIN),
        record(0, 6, 1060, b"r", LARGE),  # too large, and a repeat after the retry of offset 1
    ],
)


def event(number: int, offset: int, event_id: str, kind: str, value: str) -> EventRow:
    return EventRow(event_id, "r", None, number, kind, value, 1000 + 10 * offset, 0, offset, None)


def letter(offset: int, value: str, state: str = "open", reason: str = "too_large", retries: int = 0) -> DeadLetterRow:
    return DeadLetterRow("t", 0, offset, 1000 + 10 * offset, b"r", value.encode(), "[]", reason, state, retries)


def run(status: str, updated_at: int, events: int, changed_at: int) -> RunRow:
    return RunRow("r", None, "planner", None, status, 1000, updated_at, events, changed_at, 0)


# The tables after offsets 0 to 4: three records were too large.
BEFORE = Tables(
    runs=[run("completed", 1020, 2, 1020)],
    events=[event(0, 0, "a1", "run_started", START), event(1, 2, "a3", "run_completed", DONE)],
    offsets=[OffsetRow("t", 0, 0, 5, 4, 1040, 0)],
    dead_letters=[letter(1, LARGE), letter(3, ALSO_LARGE), letter(4, WRONG)],
)

# Then the dead letters were retried, after offset 5 and before offset 6. The record at offset 6 repeats offset 1 and is
# also too large; its retry found the event stored. The event at offset 5 resumes the run, the retried one pauses it.
RETRIED = event(3, 1, "a2", "run_waiting", LARGE)
SINCE = Tables(
    runs=[run("waiting", 1010, 4, 1010)],
    events=[RETRIED, event(2, 5, "a4", "input", AGAIN)],
    offsets=[OffsetRow("t", 0, 0, 7, 6, 1060, 0)],
    dead_letters=[
        letter(1, LARGE, "resolved", retries=1),
        letter(3, ALSO_LARGE, "open", "event_id_conflict", retries=1),
        letter(4, WRONG, "discarded", "invalid_event", retries=2),
        letter(6, LARGE, "resolved", retries=1),
    ],
)
AFTER = replace(SINCE, events=[*BEFORE.events, *SINCE.events])

Corruption: TypeAlias = Callable[[Tables], Tables]


def change(offset: int, **changes: Any) -> Corruption:
    return lambda tables: replace(
        tables,
        dead_letters=[replace(row, **changes) if row.record_offset == offset else row for row in tables.dead_letters],
    )


def without(number: int) -> Corruption:
    return lambda tables: replace(
        tables,
        events=[row for row in tables.events if row.event_seq != number],
        runs=[run("running", 1050, 3, 1050)],
    )


CORRUPTIONS: dict[str, tuple[set[Rule], Corruption]] = {
    "an open dead letter has an event": (
        {Rule.UNIQUENESS},
        change(1, state="open"),
    ),
    "a discarded dead letter has an event": (
        {Rule.UNIQUENESS},
        change(1, state="discarded"),
    ),
    "a dead letter is resolved, but its run has no such event": (
        {Rule.COMPLETENESS},
        lambda tables: change(6, state="open")(without(3)(tables)),
    ),
    "a dead letter is resolved, but its run has another event of that id": (
        {Rule.COMPLETENESS},
        change(3, state="resolved"),
    ),
    "an invalid dead letter is resolved": ({Rule.COMPLETENESS}, change(4, state="resolved")),
    "a retried dead letter has a wrong reason": ({Rule.PURITY}, change(3, reason="invalid_event")),
    "a dead letter has another reason without a retry": ({Rule.PURITY}, change(3, retries=0)),
    "the dead letter's value was changed by the retry": ({Rule.FIDELITY}, change(1, value=b"{}")),
    "the retried event has a wrong created_at": (
        {Rule.FIDELITY},
        lambda tables: replace(
            tables, events=[replace(row, created_at=1011) if row is RETRIED else row for row in tables.events]
        ),
    ),
    "the retried event is not folded": (
        {Rule.PROJECTION},
        lambda tables: replace(tables, runs=[run("running", 1050, 4, 1050)]),
    ),
    "the retried event is folded in the order of the log": (
        {Rule.PROJECTION},
        lambda tables: replace(tables, runs=[run("running", 1050, 4, 1010)]),
    ),
    "the retried event has the event_seq of its place in the log": (
        {Rule.GAP_FREE, Rule.PROJECTION},
        lambda tables: replace(
            tables, events=[replace(row, event_seq=1) if row is RETRIED else row for row in tables.events]
        ),
    ),
    "the retried event is counted twice in event_count": (
        {Rule.GAP_FREE},
        lambda tables: replace(tables, runs=[run("waiting", 1010, 5, 1010)]),
    ),
    "the retried event is stored twice": (
        {Rule.UNIQUENESS, Rule.GAP_FREE},
        lambda tables: replace(tables, events=[*tables.events, replace(RETRIED, event_seq=4)]),
    ),
    "an invalid dead letter is stored as an event": (
        {Rule.VALIDITY, Rule.GAP_FREE},
        lambda tables: replace(
            change(4, state="resolved")(tables),
            events=[*tables.events, event(4, 4, "a6", "run_waiting", WRONG)],
        ),
    ),
}


def incremental(*snapshots: Tables) -> list[Violation]:
    return incremental_violations(LOG, *snapshots, max_event_bytes=LIMIT)


def test_retried_and_discarded_dead_letters_violate_no_rule() -> None:
    assert compare(LOG, BEFORE, finished=False, max_event_bytes=LIMIT) == []
    assert compare(LOG, AFTER, max_event_bytes=LIMIT) == []
    assert incremental(BEFORE, SINCE) == []


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_corruption_after_a_retry_violates_only_its_own_rules(corruption: str) -> None:
    expected, change_tables = CORRUPTIONS[corruption]
    assert rules(compare(LOG, change_tables(AFTER), max_event_bytes=LIMIT)) == expected


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_corruption_after_a_retry_is_found_in_the_next_snapshot(corruption: str) -> None:
    expected, change_tables = CORRUPTIONS[corruption]
    assert rules(incremental(BEFORE, change_tables(SINCE))) & expected


def test_a_resolved_dead_letter_may_be_written_again_but_not_reopened() -> None:
    # Given a checked retry, and a snapshot in which its dead letter is new again, so that its event is read again,
    touched = replace(SINCE, runs=[], events=[RETRIED], dead_letters=SINCE.dead_letters[:1])
    # then there is no violation, unless the dead letter is open again.
    assert incremental(BEFORE, SINCE, touched) == []
    assert rules(incremental(BEFORE, SINCE, change(1, state="open")(touched))) == {Rule.UNIQUENESS}


def test_a_retried_event_that_was_sent_again_since_its_rejection_is_a_repeat() -> None:
    # Given a dead letter that is an event by the current rules, and whose event was sent again before the retry,
    records = [record(0, 0, 1000, b"r", START), record(0, 1, 1010, b"r", START)]
    log = Log("t", {0: Extent(0, 2)}, records)
    tables = Tables(
        runs=[replace(run("running", 1010, 1, 1010), created_at=1010)],
        events=[event(0, 1, "a1", "run_started", START)],
        offsets=[OffsetRow("t", 0, 0, 2, 1, 1010, 0)],
        dead_letters=[letter(0, START, "resolved", "invalid_event", retries=1)],
    )
    # then the dead letter is resolved without an event of its own;
    assert compare(log, tables) == []
    # and if the event was not sent again, its missing row is reported.
    assert Rule.COMPLETENESS in rules(compare(replace(log, records=log.records[:1]), replace(tables, events=[])))
