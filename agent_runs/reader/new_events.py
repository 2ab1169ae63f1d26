"""Reads what is new in many runs: one query if nothing is, two in one transaction if something is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

import msgspec

from agent_runs.reader.connections import Connections, Row
from agent_runs.reader.errors import DatabaseNotReady, DatabaseUnavailable, ReaderError
from agent_runs.reader.event_pages import EventQuery, event_of_row, event_pages
from agent_runs.reader.queries import QUERIES
from agent_runs.reader.run_lookup import summary_of_row
from agent_runs.reader.runs import RunSummary
from agent_runs.reader.stored_events import StoredEvent

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

_MAX_EVENTS: Final = 500  # of a run
_MAX_STORED_BYTES: Final = 2 * 1024 * 1024  # of all runs, as PostgreSQL stores them


class NewEvents(msgspec.Struct, frozen=True, kw_only=True):
    """What is new in some runs, as of one moment.

    Attributes:
        runs: those of the runs that have new events, by id.
        events: the next events of these runs, by the id of the run: as many as the limits allow, which may be none.
    """

    runs: dict[str, RunSummary]
    events: dict[str, list[StoredEvent]]


async def read_new_events(connections: Connections, after: Mapping[str, int]) -> NewEvents:
    """Return the runs that have events after a number, and their next events.

    Args:
        connections: the pool.
        after: by the id of each run, the number of the last event that the caller has.
    """

    async def read(connection: "Connection") -> tuple[Sequence[Row], Sequence[Row]]:
        runs = await connection.fetch(QUERIES["runs_with_new_events"], *_columns(after))
        if not runs:
            return [], []
        wanted = _columns({row["id"]: after[row["id"]] for row in runs})
        events = await connection.fetch(QUERIES["new_events"], *wanted, _MAX_EVENTS, _MAX_STORED_BYTES)
        return cast("Sequence[Row]", runs), cast("Sequence[Row]", events)

    try:
        runs, rows = await connections.run(read)
    except (DatabaseUnavailable, DatabaseNotReady):
        raise
    except ReaderError:  # PostgreSQL cannot return one of the messages: reading run by run finds out which
        return await _read_run_by_run(connections, after)
    events: dict[str, list[StoredEvent]] = {}
    for row in rows:
        events.setdefault(row["run_id"], []).append(event_of_row(row))
    return NewEvents(runs={row["id"]: summary_of_row(row) for row in runs}, events=events)


async def _read_run_by_run(connections: Connections, after: Mapping[str, int]) -> NewEvents:
    runs = await connections.fetch("runs_with_new_events", *_columns(after))
    pages = {
        row["id"]: await anext(event_pages(connections, EventQuery(row["id"]), after[row["id"]]), []) for row in runs
    }
    events = {run_id: page for run_id, page in pages.items() if page}
    return NewEvents(runs={row["id"]: summary_of_row(row) for row in runs}, events=events)


def _columns(after: Mapping[str, int]) -> tuple[list[str], list[int]]:
    return list(after), list(after.values())
