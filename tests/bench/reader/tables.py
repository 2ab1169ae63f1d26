"""Fills the tables by COPY with runs and events of the standard workload.

A share of the runs meets each condition that a list can have, so that the large database has more than a thousand pages
of each list. The conditions are independent of each other and of the time, as far as the fold of a run permits.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from tests.bench.workload import one_run, small_messages

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
STEP: Final = timedelta(seconds=2)  # between the starts of two runs
AGENTS: Final = 10
LARGE_SESSION: Final = "session-large"
LARGE_PARENT: Final = "run-0000000"
LONG_RUN: Final = "run-long"
SHORT_RUN: Final = "run-short"
SHORT_EVENTS: Final = 100
_SHARE: Final = 16  # one in so many runs meets a condition
_EVENTS_OF_A_RUN: Final = 4
_CHUNK: Final = 20_000  # rows

RUN_COLUMNS: Final = (
    *("id", "parent_run_id", "agent_id", "session_id", "status", "created_at", "updated_at", "event_count"),
    *("status_changed_at", "dropped_events", "started_at"),
)
EVENT_COLUMNS: Final = (
    *("id", "run_id", "parent_event_id", "event_seq", "event_type", "event_data", "created_at", "source_partition"),
    "source_offset",
)


class Size(NamedTuple):
    """How many rows a database has: `runs` with 4 events each, one run of 100, and one of `long_run` events."""

    runs: int
    long_run: int


async def fill(url: str, size: Size) -> None:
    """Insert the rows, and update PostgreSQL's statistics."""
    connection = await asyncpg.connect(url)
    try:
        await _copy(connection, "agent_runs", RUN_COLUMNS, _runs(size))
        await _copy(connection, "run_events", EVENT_COLUMNS, _events(size))
        for table in ("agent_runs", "run_events"):
            await connection.execute(f"VACUUM (ANALYZE) {table}")
    finally:
        await connection.close()


def run_id(number: int) -> str:
    """The id of a run by its number; ids are in another order than times."""
    return f"run-{number * 7_368_787 % 10_000_000:07}"


def _runs(size: Size) -> Iterator[Sequence[object]]:
    for number in range(size.runs):
        created = START + number * STEP
        group = number * 2_654_435_761 % 2**32 // 65_536  # a different mixture for neighbours
        status = ("running", "waiting", "failed")[group % _SHARE] if group % _SHARE < 3 else "completed"
        parent = LARGE_PARENT if group // 16 % _SHARE == 0 and number else None
        session = LARGE_SESSION if group // 256 % _SHARE == 0 else f"session-{number // 10}"
        dropped = 1 if group // 4096 % _SHARE == 0 else 0
        updated = created + timedelta(seconds=group % 3600)
        facts = (run_id(number), parent, f"agent-{number % AGENTS}", session, status)
        yield (*facts, created, updated, _EVENTS_OF_A_RUN, updated, dropped, created)
    last = START + size.runs * STEP
    for name, count in ((SHORT_RUN, SHORT_EVENTS), (LONG_RUN, size.long_run)):
        yield name, None, "agent-0", None, "running", last, last, count, last, 0, last


def _events(size: Size) -> Iterator[Sequence[object]]:
    sample = [
        (message.value.decode(), message.value.split(b'"', 4)[3].decode()) for message in small_messages(1, 10_000)
    ]
    offset = 0
    for number in range(size.runs):
        for seq in range(_EVENTS_OF_A_RUN):
            text, kind = sample[offset % len(sample)]
            yield f"e{seq}", run_id(number), None, seq, kind, text, START + number * STEP, offset % 12, offset
            offset += 1
    sample = [(message.value.decode(), message.value.split(b'"', 4)[3].decode()) for message in one_run(2, 10_000)]
    for name, count in ((SHORT_RUN, SHORT_EVENTS), (LONG_RUN, size.long_run)):
        for seq in range(count):
            text, kind = sample[seq % len(sample)]
            yield f"e{seq}", name, None, seq, kind, text, START, 0, offset
            offset += 1


async def _copy(
    connection: "asyncpg.Connection[asyncpg.Record]",
    table: str,
    columns: Sequence[str],
    rows: Iterator[Sequence[object]],
) -> None:
    await connection.copy_to_table(table, source=_chunks(rows), columns=columns, format="csv")


async def _chunks(rows: Iterator[Sequence[object]]) -> AsyncIterator[bytes]:
    chunk = io.StringIO()
    writer = csv.writer(chunk)  # it writes None as nothing, which COPY reads as NULL
    for number, row in enumerate(rows, 1):
        writer.writerow(row)
        if number % _CHUNK == 0:
            yield chunk.getvalue().encode()
            chunk.seek(0)
            chunk.truncate()
    yield chunk.getvalue().encode()
