"""A small log, its correct tables, and corruptions of the tables that the checker must find.

Everything is written by hand; the checker computes none of it. A corruption is a change of the tables, with the rules
that it violates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from tests.checker import Rule
from tests.checker.log import Extent, Log, Place, Record
from tests.checker.tables import DeadLetterRow, EventRow, MoveRow, OffsetRow, RunRow, Tables

TIME = "2026-03-01T12:00:00Z"

START = (
    f'{{"type":"run_started","id":"a1","timestamp":"{TIME}","agent_id":"planner","session_id":"s","parent_run_id":"p"}}'
)
INPUT = f'{{"type":"input","id":"a2","timestamp":"{TIME}","parent_event_id":"a1","tool":"x","data":"\\u0000 1"}}'
INPUT_STORED = INPUT.replace("\\u0000", "\ufffd")
CONFLICT = f'{{"type":"run_failed","id":"a2","timestamp":"{TIME}","error":"no"}}'
ANSWER = f'{{"type":"tool_succeeded","id":"a3","timestamp":"{TIME}","tool_name":"done","result":1.0}}'
DROPPED = f'{{"type":"events_dropped","id":"a4","timestamp":"{TIME}","count":3}}'
WAITING = f'{{"type":"run_waiting","id":"b1","timestamp":"{TIME}"}}'
WRONG = f'{{"type":"run_waiting","id":"b2","timestamp":"{TIME}","reason":7}}'
CHILD = f'{{"type":"run_started","id":"a1","timestamp":"{TIME}","agent_id":"coder","parent_run_id":"p"}}'


def record(partition: int, offset: int, timestamp: int, key: bytes | None, value: str) -> Record:
    return Record(Place(partition, offset), timestamp, key, value.encode())


LOG = Log(
    topic="t",
    extents={0: Extent(0, 9), 1: Extent(5, 8), 2: Extent(0, 0)},
    records=[
        record(0, 0, 1000, b"r1", START),
        record(0, 1, 1010, b"r1", INPUT),
        record(0, 2, 1020, b"r1", CONFLICT),
        replace(record(0, 3, 1030, None, INPUT), headers=(("h", None), ("é", b"\x00\xff"))),
        record(0, 4, 1040, b"r2", WAITING),
        record(0, 5, 1050, b"r2", WRONG),
        record(0, 6, 1060, b"r1", ANSWER),
        record(0, 7, 1070, b"r1", DROPPED),
        record(0, 8, 1080, b"r1", INPUT),  # a repeat
        record(1, 5, 900, b"r3", CHILD),  # the log starts here; a transaction marker follows
        record(1, 6, 910, b"r3", WAITING),
    ],
)

TABLES = Tables(
    runs=[
        # Columns: id, parent, agent, session, status, created, updated, events, status changed, dropped
        RunRow("p", None, "unknown", None, "running", 900, 900, 0, 900, 0),
        RunRow("r1", "p", "planner", "s", "completed", 1000, 1070, 4, 1060, 3, completed_by_tool=True),
        RunRow("r2", None, "unknown", None, "waiting", 1040, 1040, 1, 1040, 0),
        RunRow("r3", "p", "coder", None, "waiting", 900, 910, 2, 910, 0),
    ],
    events=[
        # Columns: id, run, parent, number, type, data, created, partition, offset, raw
        EventRow("a1", "r1", None, 0, "run_started", START, 1000, 0, 0, None),
        EventRow("a2", "r1", "a1", 1, "input", INPUT_STORED, 1010, 0, 1, INPUT.encode()),
        EventRow("a3", "r1", None, 2, "tool_succeeded", ANSWER.replace("1.0", "1"), 1060, 0, 6, None),
        EventRow("a4", "r1", None, 3, "events_dropped", DROPPED, 1070, 0, 7, None),
        EventRow("b1", "r2", None, 0, "run_waiting", WAITING, 1040, 0, 4, None),
        EventRow("a1", "r3", None, 0, "run_started", CHILD, 900, 1, 5, None),
        EventRow("b1", "r3", None, 1, "run_waiting", WAITING, 910, 1, 6, None),
    ],
    offsets=[
        # Columns: topic, partition, first, next, last, its time, repeats
        OffsetRow("t", 0, 0, 9, 8, 1080, 1),
        OffsetRow("t", 1, 5, 8, 6, 910, 0),
        OffsetRow("t", 2, 0, 0, None, None, 0),
    ],
    dead_letters=[
        # Columns: topic, partition, offset, time, key, value, headers, reason, state, retries
        DeadLetterRow("t", 0, 2, 1020, b"r1", CONFLICT.encode(), "[]", "event_id_conflict", "open", 0),
        DeadLetterRow("t", 0, 3, 1030, None, INPUT.encode(), '[["h",null],["é","AP8="]]', "missing_key", "open", 0),
        DeadLetterRow("t", 0, 5, 1050, b"r2", WRONG.encode(), "[]", "invalid_event", "discarded", 1),
    ],
)

# The same tables with an audit: the rows were written in three transactions, the partitions' offsets in another.
WRITERS = {0: 101, 1: 101, 2: 101, 3: 101, 4: 101, 6: 102, 7: 102}
AUDITED = replace(
    TABLES,
    events=[
        replace(row, written_by=103 if row.source_partition else WRITERS[row.source_offset]) for row in TABLES.events
    ],
    dead_letters=[replace(row, written_by=WRITERS.get(row.record_offset, 110)) for row in TABLES.dead_letters],
    moves=[
        # Columns: number, transaction, partition, from, to
        MoveRow(1, 100, 0, None, 0),
        MoveRow(2, 101, 0, 0, 5),
        MoveRow(3, 102, 0, 5, 9),
        MoveRow(4, 100, 1, None, 5),
        MoveRow(5, 103, 1, 5, 8),
        MoveRow(6, 100, 2, None, 0),
    ],
)

Corruption: TypeAlias = Callable[[Tables], Tables]


def run(run_id: str, **changes: Any) -> Corruption:
    return lambda tables: replace(tables, runs=[_if(row.id == run_id, row, changes) for row in tables.runs])


def event(offset: int, **changes: Any) -> Corruption:
    """Change the event at an offset of partition 0."""
    return lambda tables: replace(
        tables,
        events=[_if((row.source_partition, row.source_offset) == (0, offset), row, changes) for row in tables.events],
    )


def letter(offset: int, **changes: Any) -> Corruption:
    return lambda tables: replace(
        tables, dead_letters=[_if(row.record_offset == offset, row, changes) for row in tables.dead_letters]
    )


def offsets(partition: int, **changes: Any) -> Corruption:
    return lambda tables: replace(
        tables, offsets=[_if(row.partition == partition, row, changes) for row in tables.offsets]
    )


def moves(number: int, **changes: Any) -> Corruption:
    return lambda tables: replace(tables, moves=[_if(row.number == number, row, changes) for row in tables.moves or ()])


def more(**rows: Any) -> Corruption:
    """Add a row to the table of that name."""
    return lambda tables: replace(tables, **{name: [*getattr(tables, name), row] for name, row in rows.items()})


def less(table: str, index: int) -> Corruption:
    def corruption(tables: Tables) -> Tables:
        rows = list(getattr(tables, table))
        del rows[index]
        return replace(tables, **{table: rows})

    return corruption


def _if(chosen: bool, row: Any, changes: dict[str, Any]) -> Any:
    return replace(row, **changes) if chosen else row


CORRUPTIONS: dict[str, tuple[set[Rule], Sequence[Corruption]]] = {
    "a dead letter is lost": ({Rule.COMPLETENESS}, [less("dead_letters", 0)]),
    "an event is lost": ({Rule.COMPLETENESS, Rule.GAP_FREE}, [less("events", 3)]),
    "an event has no record": (
        {Rule.INVENTION},
        [more(events=replace(TABLES.events[4], id="b9", event_seq=1, source_offset=99)), run("r2", event_count=2)],
    ),
    "a dead letter has no record": (
        {Rule.INVENTION},
        [more(dead_letters=replace(TABLES.dead_letters[0], record_offset=99))],
    ),
    "a run has no event": ({Rule.INVENTION}, [more(runs=replace(TABLES.runs[0], id="q"))]),
    "an offset has no partition": ({Rule.INVENTION}, [more(offsets=OffsetRow("t", 7, 0, 0, None, None, 0))]),
    "a dead letter is of another topic": ({Rule.INVENTION}, [letter(5, topic="u")]),
    "an offset is of another topic": ({Rule.INVENTION}, [offsets(2, topic="u")]),
    "a dead letter has two rows": ({Rule.UNIQUENESS}, [more(dead_letters=TABLES.dead_letters[0])]),
    "an event is also a dead letter": (
        {Rule.UNIQUENESS},
        [more(dead_letters=DeadLetterRow("t", 0, 7, 1070, b"r1", DROPPED.encode(), "[]", "store_rejected", "open", 0))],
    ),
    "a repeat is stored": (
        {Rule.UNIQUENESS},
        [more(events=replace(TABLES.events[1], event_seq=4, source_offset=8)), run("r1", event_count=5)],
    ),
    "an event_seq is skipped": ({Rule.GAP_FREE}, [event(7, event_seq=4)]),
    "event_seq starts with 1": ({Rule.GAP_FREE}, [event(4, event_seq=1)]),
    "an event_seq is used twice": ({Rule.GAP_FREE}, [event(7, event_seq=2)]),
    "event_count is wrong": ({Rule.GAP_FREE}, [run("r1", event_count=5)]),
    "a parent that is only parents has events": ({Rule.GAP_FREE}, [run("p", event_count=1)]),
    "two events are swapped": ({Rule.ORDER}, [event(6, event_seq=3), event(7, event_seq=2)]),
    "a run has no row": ({Rule.PROJECTION}, [less("runs", 1)]),
    "a parent has no row": ({Rule.REFERENCES}, [less("runs", 0)]),
    "parent_run_id is wrong": ({Rule.PROJECTION}, [run("r1", parent_run_id=None)]),
    "agent_id is wrong": ({Rule.PROJECTION}, [run("r2", agent_id="planner")]),
    "session_id is wrong": ({Rule.PROJECTION}, [run("r1", session_id=None)]),
    "status is wrong": ({Rule.PROJECTION}, [run("r1", status="failed")]),
    "created_at is wrong": ({Rule.PROJECTION}, [run("r1", created_at=1010)]),
    "updated_at is wrong": ({Rule.PROJECTION}, [run("r1", updated_at=1080)]),
    "status_changed_at is wrong": ({Rule.PROJECTION}, [run("r1", status_changed_at=1070)]),
    "dropped_events is wrong": ({Rule.PROJECTION}, [run("r1", dropped_events=0)]),
    "completed_by_tool is wrong": ({Rule.PROJECTION}, [run("r1", completed_by_tool=False)]),
    "open_questions is wrong": ({Rule.PROJECTION}, [run("r2", open_questions='[{"id": "b1", "tool_name": "x"}]')]),
    "answered_questions is wrong": ({Rule.PROJECTION}, [run("r2", answered_questions='[{"id": "b1"}]')]),
    "labels is wrong": ({Rule.PROJECTION}, [run("r1", labels='{"version": "1"}')]),
    "a parent's created_at is not the earliest": ({Rule.PROJECTION}, [run("p", created_at=1000)]),
    "first_offset is wrong": ({Rule.WATERMARK}, [offsets(1, first_offset=0)]),
    "next_offset is beyond the log": ({Rule.WATERMARK}, [offsets(0, next_offset=10), moves(3, to_offset=10)]),
    "last_offset is wrong": ({Rule.WATERMARK}, [offsets(1, last_offset=7)]),
    "last_timestamp is wrong": ({Rule.WATERMARK}, [offsets(0, last_timestamp=1081)]),
    "an empty partition has a last record": ({Rule.WATERMARK}, [offsets(2, last_offset=0, last_timestamp=1)]),
    "a repeat is not counted": ({Rule.WATERMARK}, [offsets(0, repeats=0)]),
    "a repeat is counted twice": ({Rule.WATERMARK}, [offsets(0, repeats=2)]),
    "an event's id is wrong": ({Rule.FIDELITY}, [event(7, id="a5")]),
    "event_type is wrong": ({Rule.FIDELITY}, [event(7, event_type="note")]),
    "parent_event_id is wrong": ({Rule.FIDELITY}, [event(1, parent_event_id=None)]),
    "an event's created_at is wrong": ({Rule.FIDELITY}, [event(1, created_at=1011)]),
    "a field is lost": ({Rule.FIDELITY}, [event(7, event_data=DROPPED.replace(',"count":3', ""))]),
    "a number has changed": ({Rule.FIDELITY}, [event(6, event_data=ANSWER.replace("1.0", "1.01"))]),
    "true has become 1": ({Rule.FIDELITY}, [event(6, event_data=ANSWER.replace("1.0", "true"))]),
    "raw is missing": ({Rule.FIDELITY}, [event(1, raw=None)]),
    "raw is kept without need": ({Rule.FIDELITY}, [event(7, raw=DROPPED.encode())]),
    "raw has changed": ({Rule.FIDELITY}, [event(1, raw=INPUT_STORED.encode())]),
    "an unstorable character is not replaced": (
        {Rule.FIDELITY},
        [event(1, event_data=INPUT_STORED.replace("\ufffd", ""))],
    ),
    "a dead letter's value has changed": ({Rule.FIDELITY}, [letter(2, value=b"{}")]),
    "a dead letter's null key is empty": ({Rule.FIDELITY}, [letter(3, key=b"")]),
    "a dead letter's header is lost": ({Rule.FIDELITY}, [letter(3, headers='[["h",null]]')]),
    "a dead letter's null header is empty": ({Rule.FIDELITY}, [letter(3, headers='[["h",""],["é","AP8="]]')]),
    "a dead letter's timestamp is lost": ({Rule.FIDELITY}, [letter(3, record_timestamp=None)]),
    "a dead letter is resolved without an event": ({Rule.COMPLETENESS}, [letter(5, state="resolved")]),
    "a dead letter's reason is not the first that applies": ({Rule.PURITY}, [letter(3, reason="event_id_conflict")]),
    "a repeat is a dead letter": ({Rule.PURITY}, [more(dead_letters=replace(TABLES.dead_letters[0], record_offset=8))]),
    "a valid event is a dead letter": (
        {Rule.PURITY},
        [
            less("events", 3),
            run("r1", event_count=3),
            more(dead_letters=replace(TABLES.dead_letters[0], record_offset=7)),
        ],
    ),
    "an offset decreased": (
        {Rule.MONOTONIC},
        [moves(3, to_offset=7), more(moves=MoveRow(7, 104, 0, 7, 6)), more(moves=MoveRow(8, 102, 0, 6, 9))],
    ),
    "batches overlap": ({Rule.SINGLE_WRITER}, [moves(3, from_offset=4)]),
    "there is a gap between batches": ({Rule.SINGLE_WRITER}, [moves(2, to_offset=4), event(4, written_by=105)]),
    "an offset was moved without an audited move": ({Rule.SINGLE_WRITER}, [moves(3, to_offset=8)]),
    "a batch wrote into the range of another": (
        {Rule.SINGLE_WRITER},
        [moves(3, to_offset=7), more(moves=MoveRow(7, 106, 0, 7, 9))],
    ),
    "an event was committed without its offset": ({Rule.ATOMICITY}, [event(7, written_by=105)]),
    "a dead letter was committed without its offset": ({Rule.ATOMICITY}, [letter(3, written_by=105)]),
    "an invalid event is stored": (
        {Rule.VALIDITY},
        [
            less("dead_letters", 2),
            more(events=EventRow("b2", "r2", None, 1, "run_waiting", WRONG, 1050, 0, 5, None)),
            run("r2", event_count=2),
        ],
    ),
}
