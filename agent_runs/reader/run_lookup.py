"""What can be asked about runs in addition to lists: some runs by their ids, those that wait, and a search."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from agent_runs.questions import Question
from agent_runs.reader.connections import Connections, Row, time_of
from agent_runs.reader.cursor import Position, decode_cursor, encode_cursor
from agent_runs.reader.run_source import DEFAULT_LIMIT, LOOKED_AT_CHILDREN, check_limit
from agent_runs.reader.runs import RunPage, RunSummary
from agent_runs.status import RunStatus

_decode_questions = msgspec.json.Decoder(list[Question]).decode
_decode_labels = msgspec.json.Decoder(dict[str, str]).decode
_FOUND_RUNS: Final = 20
_FOUND_NAMES: Final = 10
_SEARCHED_FAILURES: Final = 200
_LAST_CHARACTER: Final = 0x10FFFF


class FoundFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A failed run whose error has a text.

    Attributes:
        run: the run.
        error: the error of its last `run_failed`, cut to 300 characters.
    """

    run: RunSummary
    error: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a text may stand for.

    Attributes:
        runs: runs whose id begins with it, by id; at most 20.
        agents: agents whose name begins with it; at most 10.
        sessions: sessions whose id begins with it; at most 10.
        failures: those of the 200 newest failed runs whose error has it, whatever its case; at most 20.
    """

    runs: list[RunSummary]
    agents: list[str]
    sessions: list[str]
    failures: list[FoundFailure]


class RunLookup:
    """Queries of `Reader` about runs."""

    _connections: Connections

    async def get_summaries(self, run_ids: Collection[str]) -> dict[str, RunSummary]:
        """Return runs without their events, by id; those that do not exist are left out."""
        rows = await self._connections.fetch("runs_by_id", list(run_ids))
        return {row["id"]: summary_of_row(row) for row in rows}

    async def waiting_runs(
        self, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None, newest_first: bool = False
    ) -> RunPage:
        """Return a page of the runs with open questions, those first that wait longest; see `open_questions`.

        Args:
            limit: how many runs a page has, from 1 to 1000.
            cursor: the `cursor` of the previous page. None: the first page.
            newest_first: return those first that wait for the shortest time; there is only one page of them.
        """
        check_limit(limit)
        if newest_first:
            rows = await self._connections.fetch("newest_waiting_runs", limit)
            return RunPage(runs=[summary_of_row(row) for row in rows])
        after = decode_cursor(cursor) if cursor is not None else (None, None)
        rows = await self._connections.fetch("runs_with_open_questions", *after, limit + 1)
        runs = [summary_of_row(row) for row in rows[:limit]]
        more = len(rows) > limit
        last = encode_cursor(Position(runs[-1].status_changed_at, runs[-1].id)) if more else None
        return RunPage(runs=runs, cursor=last)

    async def unfinished_children(self, parents: Sequence[str], limit: int) -> list[RunSummary]:
        """See `RunSource.unfinished_children`."""
        rows = await self._connections.fetch("unfinished_children", list(parents), LOOKED_AT_CHILDREN, limit)
        return [summary_of_row(row) for row in rows]

    async def find(self, text: str) -> Found:
        """Return what a text may stand for, in a time that does not depend on the number of runs."""
        end = _after_prefix(text)
        runs = await self._connections.fetch("find_runs", text, end, _FOUND_RUNS)
        agents = await self._connections.fetch("find_agents", text, end, _FOUND_NAMES)
        sessions = await self._connections.fetch("find_sessions", text, end, _FOUND_NAMES)
        failures = await self._connections.fetch("find_failures", text, _SEARCHED_FAILURES, _FOUND_RUNS)
        return Found(
            runs=[summary_of_row(row) for row in runs],
            agents=[row["name"] for row in agents],
            sessions=[row["name"] for row in sessions],
            failures=[FoundFailure(error=row["error"], run=summary_of_row(row)) for row in failures],
        )


def summary_of_row(row: Row) -> RunSummary:
    """Return the run of a row that has its columns, and perhaps others."""
    values = {name: row[name] for name in _PLAIN_COLUMNS}
    return RunSummary(
        agent=row["agent_id"],
        status=RunStatus(row["status"]),
        open_questions=_decode_questions(row["open_questions"]),
        labels=_decode_labels(row["labels"]),
        created_at=time_of(row, "created_at"),
        updated_at=time_of(row, "updated_at"),
        status_changed_at=time_of(row, "status_changed_at"),
        started_at=None if row["started_at"] is None else time_of(row, "started_at"),
        **values,
    )


_PLAIN_COLUMNS: Final = ("id", "parent_run_id", "session_id", "event_count", "dropped_events")


def _after_prefix(prefix: str) -> str | None:
    """Return the first text, in the order of UTF-8, that is after all texts with a prefix; None if there is none."""
    stem = prefix.rstrip(chr(_LAST_CHARACTER))
    if not stem:
        return None
    code = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if code == 0xD800 else code)  # no text has a lone surrogate
