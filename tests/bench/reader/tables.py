"""Fills the tables by COPY with runs and events of the standard workload.

A share of the runs meets each condition that a list can have, so that the large database has more than a thousand pages
of each list. The conditions are independent of each other and of the time, as far as the fold of a run permits.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from tests.bench.database import queries
from tests.bench.workload import Message, long_prompts, one_run, small_messages

QUERIES: Final = Path(__file__).with_name("queries.sql")
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
STEP: Final = timedelta(seconds=2)  # between the starts of two runs
AGENTS: Final = 10
LARGE_SESSION: Final = "session-large"
LARGE_PARENT: Final = "run-0000000"
_STATUSES: Final = {0: "running", 1: "waiting", 2: "failed"}
LONG_RUN: Final = "run-long"
BIG_RUN: Final = "run-big"
SHORT_RUN: Final = "run-short"
SHORT_EVENTS: Final = 100
_SHARE: Final = 16  # one in so many runs meets a condition
_EVENTS_OF_A_RUN: Final = 4
_CHUNK: Final = 20_000  # rows

RUN_COLUMNS: Final = (
    *("id", "parent_run_id", "agent_id", "session_id", "status", "created_at", "updated_at", "event_count"),
    *("status_changed_at", "dropped_events", "started_at", "open_questions", "labels"),
)
EVENT_COLUMNS: Final = (
    *("run_id", "id", "parent_event_id", "event_seq", "event_type", "event_data", "created_at", "source_partition"),
    "source_offset",
)


class Size(NamedTuple):
    """How many rows a database has: `runs` with 4 events each, one run of 100, and one of `long_run` events."""

    runs: int
    long_run: int


async def fill(url: str, size: Size) -> None:
    """Insert the rows, and update PostgreSQL's statistics.

    The keys of `run_events` are dropped meanwhile, and foreign keys are not checked: that would take most of the time.
    """
    connection = await asyncpg.connect(url)
    try:
        for statement in ("disable_foreign_keys", "drop_keys"):
            await connection.execute(queries(QUERIES)[statement])
        await copy(connection, "agent_runs", RUN_COLUMNS, _runs(size))
        await copy(connection, "run_events", EVENT_COLUMNS, _events(size))
        for statement in ("add_keys", "analyze_runs", "analyze_events"):
            await connection.execute(queries(QUERIES)[statement])
    finally:
        await connection.close()


async def fill_big_run(url: str, payload_bytes: int, event_bytes: int = 100_000) -> int:
    """Insert a run of `llm_called` events with messages of `payload_bytes` in total; return the number of events."""
    messages = _as_csv(long_prompts(3, 100, event_bytes))
    count = payload_bytes // event_bytes
    columns = f"{BIG_RUN},,agent-0,,running,{START},{START},{count},{START},0,{START},[],{{}}\n"
    events = (f"{BIG_RUN},e{n},,{n},{messages[n % len(messages)]},{START},0,{n}\n" for n in range(count))
    connection = await asyncpg.connect(url)
    try:
        await connection.copy_to_table(
            "agent_runs", source=_chunks(iter([columns]), 1), columns=RUN_COLUMNS, format="csv"
        )
        await connection.copy_to_table("run_events", source=_chunks(events, 100), columns=EVENT_COLUMNS, format="csv")
    finally:
        await connection.close()
    return count


def run_id(number: int) -> str:
    """The id of a run by its number."""
    return f"run-{number:07}"


def _runs(size: Size) -> Iterator[str]:
    for number in range(size.runs):
        created = START + number * STEP
        mixture = number * 2_654_435_761 % 2**32 // 65_536  # of the conditions; another one for neighbours
        status = _STATUSES.get(mixture % _SHARE, "completed")
        parent = LARGE_PARENT if mixture // 16 % _SHARE == 0 and number else ""
        session = LARGE_SESSION if mixture // 256 % _SHARE == 0 else f"session-{number // 10}"
        dropped = 1 if mixture // 4096 % _SHARE == 0 else 0
        updated = created + timedelta(seconds=mixture % 3600)
        asks = r'"[{""id"":""e1"",""tool_name"":""ask_human""}]"' if status == "waiting" else "[]"
        team = ',""team"":""blue""' if mixture // 8 % _SHARE == 0 else ""
        labels = f'"{{""environment"":""{"production" if mixture % 3 else "test"}""{team}}}"'
        facts = f"{run_id(number)},{parent},agent-{number % AGENTS},{session},{status}"
        yield f"{facts},{created},{updated},{_EVENTS_OF_A_RUN},{updated},{dropped},{created},{asks},{labels}\n"
    last = START + size.runs * STEP
    for name, count in ((SHORT_RUN, SHORT_EVENTS), (LONG_RUN, size.long_run)):
        yield f"{name},,agent-0,,running,{last},{last},{count},{last},0,{last},[],{{}}\n"


def _events(size: Size) -> Iterator[str]:
    terse, standard = _as_csv(small_messages(1, 10_000)), _as_csv(one_run(2, 10_000))
    offset = 0
    for number in range(size.runs):
        name, created = run_id(number), START + number * STEP
        for seq in range(_EVENTS_OF_A_RUN):
            yield f"{name},e{seq},,{seq},{terse[offset % len(terse)]},{created},{offset % 12},{offset}\n"
            offset += 1
    for name, count in ((SHORT_RUN, SHORT_EVENTS), (LONG_RUN, size.long_run)):
        for seq in range(count):
            yield f"{name},e{seq},,{seq},{standard[seq % len(standard)]},{START},0,{offset + seq}\n"
        offset += count


def _as_csv(messages: Sequence[Message]) -> list[str]:
    """Return the columns `event_type` and `event_data` of each message."""
    texts = [message.value.decode() for message in messages]
    return ['{},"{}"'.format(text.split('"', 4)[3], text.replace('"', '""')) for text in texts]


async def copy(
    connection: "asyncpg.Connection[asyncpg.Record]", table: str, columns: Sequence[str], rows: Iterator[str]
) -> None:
    await connection.copy_to_table(table, source=_chunks(rows, _CHUNK), columns=columns, format="csv")


async def _chunks(rows: Iterator[str], count: int) -> AsyncIterator[bytes]:
    while chunk := "".join(islice(rows, count)):
        yield chunk.encode()
