"""`Reader`: the queries about runs and their events."""

import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

from agent_runs.reader.connections import Connections, Row
from agent_runs.reader.cursor import Position, decode_cursor, encode_cursor
from agent_runs.reader.errors import ReaderError
from agent_runs.reader.event_pages import event_pages
from agent_runs.reader.run_filter import RunFilter
from agent_runs.reader.runs import RunPage, RunSummary, StoredRun
from agent_runs.reader.settings import ReaderSettings
from agent_runs.reader.stored_events import StoredEvent
from agent_runs.reader.stream import Stream
from agent_runs.settings import read_settings
from agent_runs.status import RunStatus

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 1000


class Reader:
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

    async def get_run(self, run_id: str) -> StoredRun | None:
        """Return a run with all its events; None if it does not exist.

        The events are loaded into memory. For a run that may be big, use `get_summary` and `get_run_events`.
        """
        run = await self.get_summary(run_id)
        if run is None:
            return None
        events = [event async for event in self.get_run_events(run_id, until=run.event_count - 1)]
        return StoredRun(**{name: getattr(run, name) for name in run.__struct_fields__}, events=events)

    async def get_summary(self, run_id: str) -> RunSummary | None:
        """Return a run without its events; None if it does not exist."""
        rows = await self._connections.fetch("runs_by_id", [run_id])
        return _summary(rows[0]) if rows else None

    def get_run_events(self, run_id: str, *, after: int = -1, until: int | None = None) -> Stream[StoredEvent]:
        """Iterate over the events of a run in the order of `seq`, with bounded memory.

        A run that does not exist has no events.

        Args:
            run_id: the run.
            after: begin with the event after this number.
            until: end with the event of this number. None: with the last event that is stored.
        """

        async def pages() -> AsyncIterator[list[StoredEvent]]:
            async for page in event_pages(self._connections, run_id, after):
                if until is not None and page[-1].seq >= until:
                    yield [event for event in page if event.seq <= until]
                    return
                yield page

        return Stream(pages())

    async def get_runs_by_session(
        self, session_id: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> RunPage:
        """Return a page of the runs of a session, newest first. See `list_runs`."""
        return await self.list_runs(RunFilter(session=session_id), limit=limit, cursor=cursor)

    async def get_runs_by_status(
        self, status: RunStatus | str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> RunPage:
        """Return a page of the runs of a status, newest first. See `list_runs`."""
        return await self.list_runs(RunFilter(status=RunStatus(status)), limit=limit, cursor=cursor)

    async def get_runs_by_agent(self, agent: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> RunPage:
        """Return a page of the runs of an agent, newest first. See `list_runs`."""
        return await self.list_runs(RunFilter(agent=agent), limit=limit, cursor=cursor)

    async def get_children(self, run_id: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> RunPage:
        """Return a page of the children of a run, newest first. See `list_runs`."""
        return await self.list_runs(RunFilter(parent=run_id), limit=limit, cursor=cursor)

    async def list_runs(
        self, filter: RunFilter | None = None, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> RunPage:
        """Return a page of the runs that meet all conditions of a filter, newest first.

        A page begins after the last run of the previous one, whatever was stored meanwhile. Newer runs are not on it.

        Args:
            filter: the conditions. None: all runs.
            limit: how many runs a page has, from 1 to 1000.
            cursor: the `cursor` of the previous page. None: the first page.

        Raises:
            InvalidCursor: no page has returned this cursor.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise ReaderError(f"limit must be from 1 to {MAX_LIMIT}, got {limit}")
        after = decode_cursor(cursor) if cursor is not None else (None, None)
        rows = await self._connections.fetch("list_runs", *_conditions(filter or RunFilter()), *after, limit + 1)
        runs = [_summary(row) for row in rows[:limit]]
        more = len(rows) > limit
        return RunPage(runs=runs, cursor=encode_cursor(Position(runs[-1].created_at, runs[-1].id)) if more else None)


def _conditions(filter: RunFilter) -> tuple[object, ...]:
    """Return the parameters of `list_runs` that are conditions."""
    return tuple(getattr(filter, name) for name in RunFilter.__struct_fields__)


def _summary(row: Row) -> RunSummary:
    values = dict(row)
    return RunSummary(agent=values.pop("agent_id"), status=RunStatus(values.pop("status")), **values)
