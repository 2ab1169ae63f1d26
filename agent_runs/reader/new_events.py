"""Reads the new events of many runs with one query."""

from collections.abc import Mapping
from typing import Final

from agent_runs.reader.connections import Connections
from agent_runs.reader.errors import DatabaseNotReady, DatabaseUnavailable, ReaderError
from agent_runs.reader.event_pages import EventQuery, event_of_row, event_pages
from agent_runs.reader.stored_events import StoredEvent

_MAX_EVENTS: Final = 500  # of a run
_MAX_STORED_BYTES: Final = 2 * 1024 * 1024  # of all runs, as PostgreSQL stores them


async def read_new_events(connections: Connections, after: Mapping[str, int]) -> dict[str, list[StoredEvent]]:
    """Return the next events of each run after a number, as many as the limits allow, by the id of the run.

    Args:
        connections: the pool.
        after: by the id of each run, the number of the last event that the caller has.
    """
    try:
        rows = await connections.fetch("new_events", list(after), list(after.values()), _MAX_EVENTS, _MAX_STORED_BYTES)
    except (DatabaseUnavailable, DatabaseNotReady):
        raise
    except ReaderError:  # PostgreSQL cannot return one of the messages: reading run by run finds out which
        pages = {run: await anext(event_pages(connections, EventQuery(run), seq), []) for run, seq in after.items()}
        return {run: page for run, page in pages.items() if page}
    found: dict[str, list[StoredEvent]] = {}
    for row in rows:
        found.setdefault(row["run_id"], []).append(event_of_row(row))
    return found
