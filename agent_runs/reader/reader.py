"""`Reader`: the queries about runs and their events."""

import os
from collections.abc import Collection
from types import TracebackType
from typing import Final, Self

from agent_runs.reader.connections import Connections, Row
from agent_runs.reader.cursor import Position, decode_cursor, encode_cursor
from agent_runs.reader.errors import ReaderError
from agent_runs.reader.event_pages import EventQuery, event_pages
from agent_runs.reader.run_filter import RunFilter
from agent_runs.reader.run_source import DEFAULT_LIMIT, RunSource
from agent_runs.reader.runs import RunPage, RunSummary
from agent_runs.reader.settings import ReaderSettings
from agent_runs.reader.stored_events import StoredEvent
from agent_runs.reader.stream import Stream
from agent_runs.reader.tree import RelatedRuns
from agent_runs.settings import read_settings
from agent_runs.status import RunStatus

MAX_LIMIT: Final = 1000


class Reader(RunSource):
    """Reads runs and their events from PostgreSQL.

    Every call has a deadline, sees whole batches of the consumer only, and raises a `ReaderError`. The login needs the
    role `agent_runs_reader`. A reader belongs to the event loop in which it is used first.

    Args:
        url: where PostgreSQL is, as DATABASE_URL. Default: the environment.
        timeout_s: the deadline of each call. Default: AGENT_RUNS_DATABASE_TIMEOUT_S, or 60 s.
        connect_timeout_s: the deadline for opening a connection. Default: AGENT_RUNS_CONNECT_TIMEOUT_S, or 10 s.
        pool_size: how many connections it opens at most. Further calls wait for one.

    Raises:
        SettingsError: DATABASE_URL is missing or invalid.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout_s: float | None = None,
        connect_timeout_s: float | None = None,
        pool_size: int = 4,
    ) -> None:
        given = {"url": url, "timeout_s": timeout_s, "connect_timeout_s": connect_timeout_s}
        overrides = {name: value for name, value in given.items() if value is not None}
        self._connections = Connections(read_settings(ReaderSettings, os.environ, overrides), pool_size)

    async def __aenter__(self) -> Self:
        """Return the reader. The first call opens a connection."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the idle connections. A later call opens a new one."""
        self._connections.close()

    async def get_summary(self, run_id: str) -> RunSummary | None:
        """Return a run without its events; None if it does not exist."""
        rows = await self._connections.fetch("runs_by_id", [run_id])
        return _summary(rows[0]) if rows else None

    def get_run_events(
        self, run_id: str, *, after: int = -1, until: int | None = None, types: Collection[str] | None = None
    ) -> Stream[StoredEvent]:
        """See `RunSource.get_run_events`."""
        return Stream(event_pages(self._connections, EventQuery(run_id, until, types), after))

    async def list_runs(
        self, filter: RunFilter | None = None, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> RunPage:
        """See `RunSource.list_runs`."""
        if not 1 <= limit <= MAX_LIMIT:
            raise ReaderError(f"limit must be from 1 to {MAX_LIMIT}, got {limit}")
        after = decode_cursor(cursor) if cursor is not None else (None, None)
        rows = await self._connections.fetch("list_runs", *_conditions(filter or RunFilter()), *after, limit + 1)
        runs = [_summary(row) for row in rows[:limit]]
        more = len(rows) > limit
        return RunPage(runs=runs, cursor=encode_cursor(Position(runs[-1].created_at, runs[-1].id)) if more else None)

    async def related_runs(self, run_id: str, limit: int) -> RelatedRuns:
        """See `RunSource.related_runs`."""
        ancestors = await self._connections.fetch("ancestors", run_id, limit + 1)
        descendants = await self._connections.fetch("descendants", run_id, limit + 1)
        return RelatedRuns(
            ancestors=[_summary(row) for row in ancestors[:limit]],
            descendants=[_summary(row) for row in descendants[:limit]],
            is_complete=max(len(ancestors), len(descendants)) <= limit,
        )


def _conditions(filter: RunFilter) -> tuple[object, ...]:
    """Return the parameters of `list_runs` that are conditions."""
    return tuple(getattr(filter, name) for name in RunFilter.__struct_fields__)


def _summary(row: Row) -> RunSummary:
    values = dict(row)
    return RunSummary(agent=values.pop("agent_id"), status=RunStatus(values.pop("status")), **values)
