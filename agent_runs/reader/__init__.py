"""Reads runs and their events from PostgreSQL, typed: `Reader` for asynchronous code.

Install it with the extra `reader`: `pip install 'agent-runs[reader]'`. Importing it loads no PostgreSQL client; the
first call does.

May import: codec, errors, events, named_queries, postgres, settings, status, asyncpg.
"""

from agent_runs.reader.errors import (
    DatabaseNotReady,
    DatabaseUnavailable,
    InvalidCursor,
    MissingExtra,
    ReaderError,
)
from agent_runs.reader.reader import Reader
from agent_runs.reader.run_filter import RunFilter
from agent_runs.reader.runs import RunPage, RunSummary, StoredRun
from agent_runs.reader.stored_events import OpaqueEvent, StoredEvent, event_of_message
from agent_runs.reader.stream import Stream

__all__ = [
    "DatabaseNotReady",
    "DatabaseUnavailable",
    "InvalidCursor",
    "MissingExtra",
    "OpaqueEvent",
    "Reader",
    "ReaderError",
    "RunFilter",
    "RunPage",
    "RunSummary",
    "StoredEvent",
    "StoredRun",
    "Stream",
    "event_of_message",
]
