"""Inserts runs and events into the tables, without the service, for tests that only read."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

START = datetime(2026, 1, 1, tzinfo=UTC)

INSERT_RUN = """
    INSERT INTO agent_runs (id, parent_run_id, agent_id, session_id, status, created_at, updated_at, event_count,
                            status_changed_at, dropped_events, open_questions, labels)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $6, $9, $10, $11)
"""
INSERT_EVENT = """
    INSERT INTO run_events (run_id, event_seq, id, parent_event_id, event_type, event_data, created_at,
                            source_partition, source_offset, raw)
    VALUES ($1, $2::integer, $3, $4, $5, $6, $7, 0, $2::integer, $8)
"""


def at(minutes: float) -> datetime:
    """The time so many minutes after the start of the year 2026."""
    return START + timedelta(minutes=minutes)


async def insert_run(url: str, run_id: str, minute: float = 0, messages: Sequence[bytes] = (), **columns: Any) -> None:
    """Insert a run that was created at a minute, and its events, by default one a second.

    Args:
        url: the database.
        run_id: the run.
        minute: see `at`.
        messages: the values of the records.
        columns: further columns of `agent_runs`; `updated` is the minute of its last event; `seconds` says how long
            after the run's creation each event was stored.
    """
    created, updated = at(minute), at(columns.get("updated", minute + 1))
    seconds = columns.get("seconds", range(len(messages)))
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            INSERT_RUN,
            *(run_id, columns.get("parent"), columns.get("agent", "agent"), columns.get("session")),
            *(columns.get("status", "running"), created, updated, len(messages), columns.get("dropped", 0)),
            *(json.dumps(columns.get("questions", [])), json.dumps(columns.get("labels", {}))),
        )
        rows = [
            _event_columns(run_id, seq, message, created + timedelta(seconds=after))
            for seq, (message, after) in enumerate(zip(messages, seconds, strict=True))
        ]
        await connection.executemany(INSERT_EVENT, rows)
    finally:
        await connection.close()


async def insert_event(url: str, run_id: str, seq: int, message: bytes) -> None:
    """Insert an event; the row of its run stays unchanged."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(INSERT_EVENT, *_event_columns(run_id, seq, message, at(seq / 60)))
    finally:
        await connection.close()


def _event_columns(run_id: str, seq: int, message: bytes, stored: datetime) -> tuple[object, ...]:
    fields = json.loads(message)
    storable = _storable(fields)
    raw = message if storable != fields else None
    parent, text = fields.get("parent_event_id"), json.dumps(storable)
    return run_id, seq, fields["id"], parent, fields["type"], text, stored, raw


def _storable(value: Any) -> Any:
    """The value with U+FFFD in place of the characters that JSONB cannot store."""
    match value:
        case str():
            return re.sub("[\0\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", value)
        case list():
            return [_storable(item) for item in value]
        case dict():
            return {_storable(name): _storable(item) for name, item in value.items()}
    return value
