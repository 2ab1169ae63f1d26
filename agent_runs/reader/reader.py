"""`Reader`: the queries about runs and their events."""

import os
from collections.abc import Collection, Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from agent_runs.questions import Question
from agent_runs.reader.connections import Connections, Row, time_of
from agent_runs.reader.counts import EXACT_UP_TO, AgentCount, StatusCount, count_of_row
from agent_runs.reader.cursor import Position, decode_cursor, encode_cursor
from agent_runs.reader.dead_letters import DeadLetters
from agent_runs.reader.event_pages import EventQuery, event_of_row, event_pages, follow_pages
from agent_runs.reader.event_structure import EventStructure
from agent_runs.reader.events_of_runs import EventOfRun, pages_of_runs
from agent_runs.reader.follow import Poll, RunChange, changes
from agent_runs.reader.inbox import OpenQuestion
from agent_runs.reader.last_events import read_last_events
from agent_runs.reader.question_lines import MAX_TEXT, QuestionLine
from agent_runs.reader.question_locks import QuestionLocks
from agent_runs.reader.run_filter import RunFilter, query_parameters
from agent_runs.reader.run_lookup import RunLookup, summary_of_row
from agent_runs.reader.run_source import DEFAULT_LIMIT, RunSource, check_limit
from agent_runs.reader.runs import RunPage, RunSummary
from agent_runs.reader.settings import ReaderSettings
from agent_runs.reader.store_status import MAX_COUNTED_LETTERS, PartitionStatus, StoreStatus
from agent_runs.reader.stored_events import StoredEvent
from agent_runs.reader.stream import Stream
from agent_runs.reader.tree import RelatedRuns
from agent_runs.settings import read_settings
from agent_runs.status import RunStatus

_MAX_REQUEST_BYTES: Final = 256 * 1024  # of a question that is loaded with others
_NOT_LOADED: Final = f"it has more than {_MAX_REQUEST_BYTES // 1024} KiB and is not loaded here"


class Reader(EventStructure, RunLookup, RunSource):
    """Reads runs and their events from PostgreSQL.

    Every call has a deadline, sees whole batches of the consumer only, and raises a `ReaderError`. The login needs the
    role `agent_runs_reader`. A reader belongs to the event loop in which it is used first. Its attribute `dead_letters`
    reads the records that were refused, and `question_locks` locks questions for programs that answer them.

    Args:
        url: where PostgreSQL is, as DATABASE_URL. Default: the environment.
        timeout_s: the deadline of each call. Default: AGENT_RUNS_DATABASE_TIMEOUT_S, or 60 s.
        connect_timeout_s: the deadline for opening a connection. Default: AGENT_RUNS_CONNECT_TIMEOUT_S, or 10 s.
        pool_size: how many connections it opens at most. Further calls wait for one.

    Raises:
        SettingsError: DATABASE_URL is missing or invalid.

    Example:
        from agent_runs.reader import Reader

        async with Reader() as reader:
            run = await reader.get_run("run-1")
            print(run.status if run else "no such run")
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
        self._settings = read_settings(ReaderSettings, os.environ, overrides)
        super().__init__(Connections(self._settings, pool_size))
        self.dead_letters: Final = DeadLetters(self._connections)
        self.question_locks: Final = QuestionLocks(self._settings)

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
        self.question_locks.close()

    async def get_summary(self, run_id: str) -> RunSummary | None:
        """Return a run without its events; None if it does not exist."""
        rows = await self._connections.fetch("runs_by_id", [run_id])
        return summary_of_row(rows[0]) if rows else None

    def get_run_events(
        self,
        run_id: str,
        *,
        after: int = -1,
        until: int | None = None,
        types: Collection[str] | None = None,
        follow: bool = False,
    ) -> Stream[StoredEvent]:
        """Iterate over the events of a run in the order of `seq`, with bounded memory.

        A run that does not exist has no events.

        Args:
            run_id: the run.
            after: begin with the event after this number.
            until: end with the event of this number. None: with the last event that is stored.
            types: only events of these types. None: of all types.
            follow: wait for further events instead of ending; `until` still ends it. PostgreSQL may be unavailable
                meanwhile, for three times as long as one call may take.
        """
        query = EventQuery(run_id, until, types)
        if follow:
            return Stream(follow_pages(self._connections, query, after, Poll(self._settings.timeout_s)))
        return Stream(event_pages(self._connections, query, after))

    def events_of_runs(self, runs: Sequence[RunSummary]) -> Stream[EventOfRun]:
        """See `RunSource.events_of_runs`. Reads up to 1000 events of small runs with one query."""
        return Stream(pages_of_runs(self._connections, runs))

    async def list_runs(
        self, filter: RunFilter | None = None, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> RunPage:
        """See `RunSource.list_runs`."""
        check_limit(limit)
        after = decode_cursor(cursor) if cursor is not None else (None, None)
        rows = await self._connections.fetch("list_runs", *query_parameters(filter or RunFilter()), *after, limit + 1)
        runs = [summary_of_row(row) for row in rows[:limit]]
        more = len(rows) > limit
        return RunPage(runs=runs, cursor=encode_cursor(Position(runs[-1].created_at, runs[-1].id)) if more else None)

    def follow_runs(self, filter: RunFilter | None = None, *, limit: int = DEFAULT_LIMIT) -> Stream[RunChange]:
        """Iterate without end over the changes of a list; at first, all its runs are added.

        Changes between two polls are one change. A poll follows after 0.05 s, without news up to 1 s later.

        Args:
            filter: the conditions. None: all runs.
            limit: how many of the newest runs are the list, from 1 to 1000.
        """

        async def read() -> list[RunSummary]:
            return (await self.list_runs(filter, limit=limit)).runs

        return Stream(changes(read, Poll(self._settings.timeout_s)))

    async def questions_of(self, runs: Sequence[RunSummary]) -> list[OpenQuestion]:
        """See `RunSource.questions_of`."""
        asked = [(run, question) for run in runs for question in run.open_questions]
        rows = await self._requests("events_by_id", asked, _MAX_REQUEST_BYTES)
        requests = {key: event_of_row(row, _NOT_LOADED) for key, row in rows.items()}
        left_out = [(run, each) for run, each in asked if _is_left_out(rows.get((run.id, each.id)))]
        texts = await self._requests("question_texts", left_out, MAX_TEXT)
        return [
            OpenQuestion(
                run=run,
                id=each.id,
                tool_name=each.tool_name,
                request=requests.get((run.id, each.id)),
                beginning=_question_line(run, each, texts.get((run.id, each.id))).text,
            )
            for run, each in asked
        ]

    async def question_lines(self, runs: Sequence[RunSummary]) -> list[QuestionLine]:
        """See `RunSource.question_lines`."""
        asked = [(run, question) for run in runs for question in run.open_questions]
        rows = await self._requests("question_texts", asked, MAX_TEXT)
        return [_question_line(run, each, rows.get((run.id, each.id))) for run, each in asked]

    async def _requests(
        self, query: str, asked: Sequence[tuple[RunSummary, Question]], *others: object
    ) -> dict[tuple[str, str], Row]:
        """Return the rows of the requests of questions, by run and id."""
        if not asked:
            return {}
        keys = [run.id for run, _ in asked], [question.id for _, question in asked]
        return {(row["run_id"], row["id"]): row for row in await self._connections.fetch(query, *keys, *others)}

    async def last_events(self, wanted: Sequence[tuple[RunSummary, str]]) -> list[StoredEvent | None]:
        """See `RunSource.last_events`. One query, unless a long run has no such event among its last ones."""
        found = await read_last_events(self._connections, wanted)
        for run, name in wanted:
            if run.id not in found:
                found[run.id] = (await super().last_events([(run, name)]))[0]
        return [found[run.id] for run, _ in wanted]

    async def count_by_status(self) -> dict[RunStatus, StatusCount]:
        """Return how many runs have each status: exact up to 10,000, an estimate if there are more."""
        rows = await self._connections.fetch("count_runs_by_status", EXACT_UP_TO + 1)
        return {RunStatus(row["status"]): count_of_row(row) for row in rows}

    async def count_by_agent(self, created_from: datetime, *, limit: int = DEFAULT_LIMIT) -> list[AgentCount]:
        """Return how many runs of each agent have each status, most failures first.

        The cost grows with the number of runs that were created since the time.

        Args:
            created_from: only runs that were created at this time or later count.
            limit: how many agents are returned.
        """
        rows = await self._connections.fetch("count_runs_by_agent", created_from, limit)
        return [AgentCount(**row) for row in rows]

    async def store_status(self) -> StoreStatus:
        """Return how far each partition is stored, and how many dead letters are open."""
        partitions = await self._connections.fetch("partitions")
        (letters,) = await self._connections.fetch("open_dead_letters", MAX_COUNTED_LETTERS + 1)
        return StoreStatus(partitions=[PartitionStatus(**row) for row in partitions], open_dead_letters=letters["open"])

    async def related_runs(self, run_id: str, limit: int) -> RelatedRuns:
        """See `RunSource.related_runs`."""
        ancestors = await self._connections.fetch("ancestors", run_id, limit + 1)
        descendants = await self._connections.fetch("descendants", run_id, limit + 1)
        return RelatedRuns(
            ancestors=[summary_of_row(row) for row in ancestors[:limit]],
            descendants=[summary_of_row(row) for row in descendants[:limit]],
            is_complete=max(len(ancestors), len(descendants)) <= limit,
        )


def _is_left_out(row: Row | None) -> bool:
    """Whether the message of an event is too large to be returned with others."""
    return row is not None and row["message"] is None and row["raw"] is None


def _question_line(run: RunSummary, question: Question, row: Row | None) -> QuestionLine:
    return QuestionLine(
        run=run,
        id=question.id,
        tool_name=question.tool_name,
        text="" if row is None else row["text"] or "",
        seq=None if row is None else row["event_seq"],
        asked_at=run.status_changed_at if row is None else time_of(row, "created_at"),
    )
