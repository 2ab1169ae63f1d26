"""The named queries of the service, implemented on the model of PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from struct import unpack_from
from typing import Any

from consumer.errors import ConsumerError
from consumer.postgres.copy_format import EPOCH_MS
from tests.simulation.postgres.tables import DeadLetterRow, EventRow, OffsetsRow, RunRow, Transaction, jsonb, sql_error

Rows = list[dict[str, Any]]


async def move_offsets(tx: Transaction, topic: str, *columns: Sequence[Any]) -> Rows:
    batch = sorted(zip(*columns, strict=True))
    matching = [move for move in batch if _is_current(tx, topic, move)]
    moved = []
    for move in matching:
        partition, starts, ends, last_offset, last_timestamp = move
        await tx.lock("offsets", (topic, partition))
        if not _is_current(tx, topic, move):
            continue
        row: OffsetsRow = tx.get("offsets", (topic, partition))
        last = (last_offset, last_timestamp) if last_offset is not None else (row.last_offset, row.last_timestamp)
        tx.put(
            "offsets", (topic, partition), row._replace(next_offset=ends, last_offset=last[0], last_timestamp=last[1])
        )
        tx.moves[partition] = starts, ends
        moved.append({"partition": partition, "next_offset": ends})
    return moved


def _is_current(tx: Transaction, topic: str, move: tuple[Any, ...]) -> bool:
    row: OffsetsRow | None = tx.get("offsets", (topic, move[0]))
    return row is not None and row.next_offset == move[1]


async def count_repeats(tx: Transaction, topic: str, partitions: Sequence[int], repeats: Sequence[int]) -> Rows:
    for partition, more in zip(partitions, repeats, strict=True):
        await tx.lock("offsets", (topic, partition))
        row: OffsetsRow = tx.get("offsets", (topic, partition))
        tx.put("offsets", (topic, partition), row._replace(repeats=row.repeats + more))
    return []


async def look_up(tx: Transaction, *columns: Sequence[Any]) -> Rows:
    rows = []
    for position, (run_id, event_id, value, raw) in enumerate(zip(*columns, strict=True), 1):
        stored: EventRow | None = tx.get("event_ids", (run_id, event_id))
        if stored is not None:
            rows.append({"position": position, "same": _same(stored, value, raw)})
    return rows


def _same(stored: EventRow, value: bytes, raw: bytes | None) -> bool:
    if stored.raw is None and raw is None:
        return bool(jsonb(stored.event_data) == jsonb(value))
    if stored.raw is not None and stored.raw == (value if raw is None else raw):
        return True
    jsonb(value)  # raises if JSONB cannot hold it, as the query's cast does
    return False


async def same_values(tx: Transaction, ones: Sequence[bytes], others: Sequence[bytes]) -> Rows:
    pairs = enumerate(zip(ones, others, strict=True), 1)
    return [{"position": position} for position, (one, other) in pairs if jsonb(one) == jsonb(other)]


async def started_runs(tx: Transaction, run_ids: Sequence[str]) -> Rows:
    runs = ((run_id, tx.get("runs", (run_id,))) for run_id in dict.fromkeys(run_ids))
    return [{"id": run_id} for run_id, row in runs if row is not None and row.started_at is not None]


async def insert_runs(tx: Transaction, ids: Sequence[str], times: Sequence[int]) -> Rows:
    for run_id, at in sorted(zip(ids, times, strict=True)):
        await tx.insert("runs", (run_id,), RunRow("running", 0, at, at, at))
    return []


async def lock_runs(tx: Transaction, ids: Sequence[str], lower_to: Sequence[int | None]) -> Rows:
    seen = tx.all("runs")
    wanted = [
        (run_id, at)
        for run_id, at in sorted(zip(ids, lower_to, strict=True), key=lambda pair: pair[0])
        if (run_id,) in seen and _is_locked(seen[(run_id,)], at)
    ]
    locked = []
    for run_id, at in wanted:
        await tx.lock("runs", (run_id,))
        row: RunRow = tx.get("runs", (run_id,))
        if _is_locked(row, at):
            facts: dict[str, Any] = {
                "status": row.status,
                "event_count": row.event_count,
                "started": row.started_at is not None,
            }
            facts["dropped_events"] = row.dropped_events
            facts["completed_by_tool"] = row.completed_by_tool
            for column in ("open_questions", "answered_questions"):
                facts[column] = None if jsonb(getattr(row, column)) == [] else getattr(row, column)
            locked.append({"id": run_id, **facts, "lower_to": at})
    return locked


def _is_locked(row: RunRow, lower_to: int | None) -> bool:
    return lower_to is None or (row.event_count == 0 and row.created_at > lower_to)


async def lower_stubs(tx: Transaction, ids: Sequence[str], times: Sequence[int]) -> Rows:
    for run_id, at in zip(ids, times, strict=True):
        await tx.lock("runs", (run_id,))
        row: RunRow = tx.get("runs", (run_id,))
        tx.put("runs", (run_id,), row._replace(created_at=at, updated_at=at, status_changed_at=at))
    return [{"id": run_id} for run_id in ids]


_KEPT = ("created_at", "status_changed_at", "started_at", "agent_id", "session_id", "parent_run_id")
_HEAD = (
    *("status", "event_count", "updated_at", "created_at", "status_changed_at", "dropped_events", "started_at"),
    *("agent_id", "session_id", "parent_run_id"),
)


async def update_runs(tx: Transaction, ids: Sequence[str], *columns: Sequence[Any]) -> Rows:
    for run_id, *values, rarely_changed in zip(ids, *columns, strict=True):
        await tx.lock("runs", (run_id,))
        row: RunRow = tx.get("runs", (run_id,))
        news = dict(zip(_HEAD, values, strict=True))
        changed = {name: value for name, value in news.items() if value is not None or name not in _KEPT}
        columns_of_few: Any = jsonb(rarely_changed or b"{}")
        for name, value in columns_of_few.items():
            changed[name] = value if name == "completed_by_tool" else json.dumps(value).encode()
        parent = changed.get("parent_run_id")
        if parent is not None and tx.get("runs", (parent,)) is None:
            raise sql_error("23503", "violates foreign key constraint", "agent_runs_parent_fkey")
        tx.put("runs", (run_id,), row._replace(**changed))
    return [{"unchanged": len(ids)}]


async def insert_dead_letters(tx: Transaction, topic: str, *columns: Sequence[Any]) -> Rows:
    new = []
    for partition, offset, timestamp, *rest in zip(*columns, strict=True):
        jsonb(rest[2])
        if await tx.insert("dead_letters", (topic, partition, offset, timestamp), DeadLetterRow(timestamp, *rest)):
            new.append({"partition": partition, "record_offset": offset, "id": len(tx.all("dead_letters"))})
    return new


async def dead_letters_of_records(tx: Transaction, topic: str, *columns: Sequence[Any]) -> Rows:
    stored = tx.all("dead_letters")
    return [{"id": 0} for place in zip(*columns, strict=True) if (topic, *place) in stored]


async def open_letters(
    tx: Transaction, topic: str, partitions: Sequence[int], starts: Sequence[int], ends: Sequence[int]
) -> Rows:
    """All dead letters of the range: no operator resolves or discards one in the simulation."""
    ranges = {partition: range(begin, end) for partition, begin, end in zip(partitions, starts, ends, strict=True)}
    return [
        {"partition": partition, "reason": row.reason}
        for (row_topic, partition, offset, _), row in tx.all("dead_letters").items()
        if row_topic == topic and offset in ranges.get(partition, ())
    ]


async def refused_values(tx: Transaction, values: Sequence[bytes]) -> Rows:
    return [
        {"position": position, "message": str(problem)}
        for position, value in enumerate(values, 1)
        if (problem := _problem(value)) is not None
    ]


def _problem(value: bytes) -> Exception | None:
    try:
        jsonb(value)
    except ConsumerError as error:
        return error
    return None


async def begin_partitions(tx: Transaction, topic: str, partitions: Sequence[int], starts: Sequence[int]) -> Rows:
    for partition, at in sorted(zip(partitions, starts, strict=True)):
        await tx.insert("offsets", (topic, partition), OffsetsRow(at, at, None, None, 0))
    return []


async def offsets(tx: Transaction, topic: str) -> Rows:
    rows = sorted(tx.all("offsets").items())
    return [
        {"partition": partition, **row._asdict(), "updated_at": 0}
        for (row_topic, partition), row in rows
        if row_topic == topic
    ]


async def restore_fingerprint(tx: Transaction, topic: str, partition: int, offset: int, timestamp: int) -> Rows:
    await tx.lock("offsets", (topic, partition))
    row: OffsetsRow = tx.get("offsets", (topic, partition))
    tx.put("offsets", (topic, partition), row._replace(last_offset=offset, last_timestamp=timestamp))
    return []


async def copy_events(tx: Transaction, stream: bytes) -> Rows:
    """COPY into run_events: every row or none. Returns one empty row for each."""
    rows = list(_decoded(stream))
    for row in rows:
        jsonb(row.event_data)
        if not await tx.insert("events", (row.run_id, row.event_seq), row):
            raise sql_error("23505", "duplicate key value violates unique constraint", "run_events_pkey")
        if not await tx.insert("event_ids", (row.run_id, row.id), row):
            raise sql_error("23505", "duplicate key value violates unique constraint", "run_events_id_key")
    return [{} for _ in rows]


def _decoded(stream: bytes) -> Iterator[EventRow]:
    at = len(b"PGCOPY\n\xff\r\n\0") + 8
    while unpack_from(">h", stream, at) != (-1,):
        at += 2
        fields = []
        for _ in EventRow._fields:
            (size,) = unpack_from(">i", stream, at)
            at += 4
            fields.append(None if size < 0 else stream[at : at + size])
            at += max(size, 0)
        yield _row(fields)


def _row(fields: list[bytes | None]) -> EventRow:
    numbers = [int.from_bytes(field or b"", signed=True) for field in fields[:4]]
    texts = [None if field is None else field.decode() for field in fields[4:8]]
    seq, partition, offset, at = numbers
    event_id, run_id, event_type, parent = texts
    data = fields[9]
    assert run_id is not None
    assert event_id is not None
    assert event_type is not None
    assert data is not None
    return EventRow(
        seq, partition, offset, at // 1000 + EPOCH_MS, event_id, run_id, event_type, parent, fields[8], data[1:]
    )


QUERIES: dict[str, Callable[..., Awaitable[Rows]]] = {
    query.__name__: query
    for query in (
        *(move_offsets, count_repeats, look_up, same_values, started_runs, insert_runs, lock_runs),
        *(lower_stubs, update_runs, insert_dead_letters, refused_values, begin_partitions, offsets),
        *(restore_fingerprint, open_letters, dead_letters_of_records),
    )
}
# The queries that a read-only server refuses.
WRITING = frozenset(
    (
        *("move_offsets", "count_repeats", "insert_runs", "lock_runs", "lower_stubs", "update_runs"),
        *("insert_dead_letters", "begin_partitions", "restore_fingerprint"),
    )
)
