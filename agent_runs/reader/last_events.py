"""Reads the last event of a type of each of many runs with one query."""

from collections.abc import Sequence
from typing import Final

from agent_runs.reader.connections import Connections
from agent_runs.reader.errors import DatabaseNotReady, DatabaseUnavailable, ReaderError
from agent_runs.reader.event_pages import event_of_row
from agent_runs.reader.runs import RunSummary
from agent_runs.reader.stored_events import StoredEvent

LAST_EVENTS: Final = 100


async def read_last_events(
    connections: Connections, wanted: Sequence[tuple[RunSummary, str]]
) -> dict[str, StoredEvent | None]:
    """Return the last event of the type that is named with each run, by the id of the run.

    None: the run has none. A run is left out if it has none among its last 100 events, but has more than these; all
    are left out if PostgreSQL cannot return one of the messages.
    """
    columns = (
        [run.id for run, _ in wanted],
        [name for _, name in wanted],
        [max(0, run.event_count - LAST_EVENTS) for run, _ in wanted],
    )
    try:
        rows = await connections.fetch("last_events", *columns) if wanted else []
    except (DatabaseUnavailable, DatabaseNotReady):
        raise
    except ReaderError:
        return {}
    short = {run.id: None for run, _ in wanted if run.event_count <= LAST_EVENTS}
    return short | {row["run_id"]: event_of_row(row) for row in rows}
