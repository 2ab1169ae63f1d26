"""What an operator did to dead letters: in the tables, beside the log, and no violation; and the lies about that.

A record that was too large became a letter. Its limit was raised, and the letter retried: its event has the run's next
number, which is not in the order of the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from tests.checker import Rule, Violation, compare
from tests.checker.incremental import IncrementalChecker, LogBuffer
from tests.checker.log import Extent, Log
from tests.checker.tables import DeadLetterRow, EventRow, OffsetRow, RunRow, Tables
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
        record(0, 3, 1030, b"r", ALSO_LARGE),  # an event of that id comes before it
        record(0, 4, 1040, b"r", WRONG),  # too large, and wrong besides
        record(0, 5, 1050, b"r", AGAIN),
        record(0, 6, 1060, b"r", LARGE),  # too large as well, or a repeat once the first one is stored
    ],
)


def event(number: int, offset: int, event_id: str, kind: str, value: str) -> EventRow:
    return EventRow(event_id, "r", None, number, kind, value, 1000 + 10 * offset, 0, offset, None)


def letter(offset: int, value: str, state: str = "open", reason: str = "too_large", retries: int = 0) -> DeadLetterRow:
    return DeadLetterRow("t", 0, offset, 1000 + 10 * offset, b"r", value.encode(), "[]", reason, state, retries)


def run(status: str, updated_at: int, events: int, changed_at: int) -> RunRow:
    return RunRow("r", None, "planner", None, status, 1000, updated_at, events, changed_at, 0)


# All records but the last two were passed, and three of them were too large.
BEFORE = Tables(
    runs=[run("completed", 1020, 2, 1020)],
    events=[event(0, 0, "a1", "run_started", START), event(1, 2, "a3", "run_completed", DONE)],
    offsets=[OffsetRow("t", 0, 0, 5, 4, 1040, 0)],
    dead_letters=[letter(1, LARGE), letter(3, ALSO_LARGE), letter(4, WRONG)],
)

# Then the letters were retried, between the event at offset 5 and the record at offset 6: which has the same id as one
# of them, was too large, was retried too, and found its event stored. A run that was taken up again waits again.
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
    "an event is beside a letter that is open": (
        {Rule.UNIQUENESS},
        change(1, state="open"),
    ),
    "an event is beside a letter that is discarded": (
        {Rule.UNIQUENESS},
        change(1, state="discarded"),
    ),
    "a letter is resolved, and its run has no such event": (
        {Rule.COMPLETENESS},
        lambda tables: change(6, state="open")(without(3)(tables)),
    ),
    "a letter is resolved, and its run has another event": (
        {Rule.COMPLETENESS},
        change(3, state="resolved"),
    ),
    "a letter is resolved that is no event": ({Rule.COMPLETENESS}, change(4, state="resolved")),
    "a letter failed again for a reason that is not its own": ({Rule.PURITY}, change(3, reason="invalid_event")),
    "a letter has another reason without a retry": ({Rule.PURITY}, change(3, retries=0)),
    "the letter's bytes were altered by the retry": ({Rule.FIDELITY}, change(1, value=b"{}")),
    "the retried event has another record's time": (
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
    "the retried event has the number that its place in the log would give it": (
        {Rule.GAP_FREE, Rule.PROJECTION},
        lambda tables: replace(
            tables, events=[replace(row, event_seq=1) if row is RETRIED else row for row in tables.events]
        ),
    ),
    "the retried event is counted twice": (
        {Rule.GAP_FREE},
        lambda tables: replace(tables, runs=[run("waiting", 1010, 5, 1010)]),
    ),
    "the retried event is stored twice": (
        {Rule.UNIQUENESS, Rule.GAP_FREE},
        lambda tables: replace(tables, events=[*tables.events, replace(RETRIED, event_seq=4)]),
    ),
    "a letter that is no event is stored all the same": (
        {Rule.VALIDITY, Rule.GAP_FREE},
        lambda tables: replace(
            change(4, state="resolved")(tables),
            events=[*tables.events, event(4, 4, "a6", "run_waiting", WRONG)],
        ),
    ),
}


def watched(*seen: Tables) -> list[Violation]:
    log_buffer = LogBuffer("t", {0: 0})
    for each in LOG.records:
        log_buffer.add(each)
    checker = IncrementalChecker(log_buffer, LIMIT)
    return [violation for tables in seen for violation in checker.classify(tables)]


def rules(violations: list[Violation]) -> set[Rule]:
    return {violation.rule for violation in violations}


def test_letters_that_were_retried_and_discarded_break_no_rule() -> None:
    assert compare(LOG, BEFORE, finished=False, max_event_bytes=LIMIT) == []
    assert compare(LOG, AFTER, max_event_bytes=LIMIT) == []
    assert watched(BEFORE, SINCE) == []


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_lie_about_a_retry_breaks_its_rules_only(corruption: str) -> None:
    # Given tables after a retry, when they are made to tell this corruption,
    broken, tell = CORRUPTIONS[corruption]
    # then exactly the rules that it breaks say so.
    assert rules(compare(LOG, tell(AFTER), max_event_bytes=LIMIT)) == broken


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_lie_about_a_retry_is_found_in_the_snapshot_after_it(corruption: str) -> None:
    # Given a second snapshot after the retry, when it is corrupted, then its rule is reported.
    broken, tell = CORRUPTIONS[corruption]
    assert rules(watched(BEFORE, tell(SINCE))) & broken


def test_a_resolved_letter_that_is_touched_again_is_no_violation_and_one_that_is_opened_again_is() -> None:
    # Given a retry that was seen, and a snapshot in which its letter is new once more, and so its event is read again,
    touched = replace(SINCE, runs=[], events=[RETRIED], dead_letters=SINCE.dead_letters[:1])
    # when it is judged, then all is well, unless the letter is not resolved any more.
    assert watched(BEFORE, SINCE, touched) == []
    assert rules(watched(BEFORE, SINCE, change(1, state="open")(touched))) == {Rule.UNIQUENESS}


def test_an_event_that_was_refused_once_and_sent_again_since_is_a_repeat() -> None:
    # Given a letter that is an event by today's rules, whose producer sent the event again before it was retried,
    records = [record(0, 0, 1000, b"r", START), record(0, 1, 1010, b"r", START)]
    log = Log("t", {0: Extent(0, 2)}, records)
    tables = Tables(
        runs=[replace(run("running", 1010, 1, 1010), created_at=1010)],
        events=[event(0, 1, "a1", "run_started", START)],
        offsets=[OffsetRow("t", 0, 0, 2, 1, 1010, 0)],
        dead_letters=[letter(0, START, "resolved", "invalid_event", retries=1)],
    )
    # when the retry finds it stored, then it is resolved without a row of its own;
    assert compare(log, tables) == []
    # and had it not been sent again, then its own row would be missing.
    assert Rule.COMPLETENESS in rules(compare(replace(log, records=log.records[:1]), replace(tables, events=[])))
