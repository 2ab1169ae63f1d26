"""Reads runs with the fold of their events, page by page.

No snapshot is longer than one query: a long one would keep VACUUM from removing old rows. The order of the queries
makes the pages consistent while consumers store events: a run's row is read before its events, and events below its
event_count never change.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from agent_runs.events import EVENT_CLASSES
from consumer.postgres.session import Session
from consumer.postgres.store import Row
from consumer.verify.fold import JSON_COLUMNS, RunFold, StoredEvent

# The ids of a chunk are in memory. `--from` continues at the start of a chunk: within it, the order is another one.
RUNS_PER_CHUNK: Final = 50_000
ALL: Final = 1_000_000  # millionths
_RUNS_PER_PAGE: Final = 500
_EVENTS_PER_PAGE: Final = 10_000

# The fields without a default of each type of the contract. `id`, `type` and `timestamp` are required of every type.
_REQUIRED: Final = {
    name: ",".join(["type", *(field.name for field in msgspec.structs.fields(cls) if field.required)])
    for name, cls in EVENT_CLASSES.items()
}


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The runs to read.

    Attributes:
        after: only runs with ids after this one.
        ids: only these runs; None selects all.
        millionths: the share of the runs to read, selected by their ids.
        seed: another number selects other runs for the same share.
    """

    after: str = ""
    ids: Sequence[str] | None = None
    millionths: int = ALL
    seed: int = 0

    @property
    def selects_all(self) -> bool:
        """Whether no run after `after` is left out."""
        return self.ids is None and self.millionths >= ALL


class Fetches(Protocol):
    """A session, or a connection within a transaction."""

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        """Run a named query and return its rows."""


async def count_events(session: Session, selection: Selection) -> int:
    """Return about how many events the selected runs have."""
    if selection.ids is not None:
        rows = await session.fetch("given_run_ids", list(selection.ids))
        return sum(row["event_count"] for row in rows)
    (row,) = await session.fetch("count_runs", selection.after)
    return int(row["events"]) * selection.millionths // ALL


class ReadRun(msgspec.Struct):
    """A run as it is stored, the fold of its events, and what is unusual about their rows.

    Attributes:
        row: the row of the query `runs_to_compare`, with the JSON columns decoded.
        end: events from this sequence number on are not folded: they were stored after the row was read.
        gaps: pairs of the sequence number that an event has, and the one that it should have.
        unclear: the sequence numbers of events whose columns differ from their message, or that have a `raw`.
        late: events whose offset is not greater than that of an event before them.
        last_offsets: the largest offset by partition.
    """

    row: Row
    end: int
    fold: RunFold = msgspec.field(default_factory=RunFold)
    gaps: list[tuple[int, int]] = msgspec.field(default_factory=list)
    unclear: list[int] = msgspec.field(default_factory=list)
    late: list[StoredEvent] = msgspec.field(default_factory=list)
    last_offsets: dict[int, int] = msgspec.field(default_factory=dict)

    def add(self, event: StoredEvent) -> None:
        """Fold one event."""
        if event.seq != self.fold.event_count:
            self.gaps.append((event.seq, self.fold.event_count))
        if event.offset > self.last_offsets.get(event.partition, -1):
            self.last_offsets[event.partition] = event.offset
        else:
            self.late.append(event)
        if event.has_raw or not event.is_consistent:
            self.unclear.append(event.seq)
        if not event.is_consistent and event.tool_name is None:
            event.tool_name = ""  # the fold takes a string
        self.fold.advance(event)


async def read_pages(
    sessions: Sequence[Session], selection: Selection
) -> AsyncIterator[tuple[list[ReadRun], str | None]]:
    """Yield runs in pages; with the last page of a chunk, the id up to which all runs have been read.

    Reads with all sessions at the same time, so that PostgreSQL reads the next page while this process folds one.
    """
    async for chunk in _chunks(sessions[0], selection):
        pages = list(_pages(chunk))
        tasks: deque[asyncio.Task[list[ReadRun]]] = deque()
        try:
            for number, page in enumerate(pages):
                tasks.append(asyncio.create_task(read_runs(sessions[number % len(sessions)], page)))
                if len(tasks) == len(sessions):
                    yield await tasks.popleft(), None
            while tasks:
                page_ = await tasks.popleft()
                yield page_, None if tasks else max(row["id"] for row in chunk)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _chunks(session: Session, selection: Selection) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    if selection.ids is not None:
        if rows := await session.fetch("given_run_ids", list(selection.ids)):
            yield rows
        return
    after = selection.after
    while rows := await session.fetch("run_ids", after, RUNS_PER_CHUNK, selection.millionths, selection.seed):
        after = max(row["id"] for row in rows)  # by code points, the order of COLLATE "C"
        yield rows


def _pages(chunk: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    page: list[str] = []
    events = 0
    for row in chunk:
        if page and (len(page) == _RUNS_PER_PAGE or events + row["event_count"] > _EVENTS_PER_PAGE):
            yield page
            page, events = [], 0
        page.append(row["id"])
        events += row["event_count"]
    if page:
        yield page


async def read_runs(source: Fetches, ids: Sequence[str]) -> list[ReadRun]:
    """Return those of the given runs that exist, each with the fold of its events below its event_count."""
    rows = await _rows_of_runs(source, ids)
    runs = {row["id"]: ReadRun(row, min(row["event_count"], _next_seq(row))) for row in rows}
    end = max((run.end for run in runs.values()), default=0)
    for start in range(0, end, _EVENTS_PER_PAGE):
        await _fold(source, runs, start, min(end, start + _EVENTS_PER_PAGE))
    return list(runs.values())


async def fold_rest(source: Fetches, runs: Sequence[ReadRun]) -> list[ReadRun]:
    """Read the rows of runs again, and fold all events that are not folded yet. Returns the runs that still exist."""
    rows = {row["id"]: row for row in await _rows_of_runs(source, [run.row["id"] for run in runs])}
    existing = [run for run in runs if run.row["id"] in rows]
    for run in existing:
        run.row = rows[run.row["id"]]
        run.end = _next_seq(run.row)
        for start in range(run.fold.event_count, run.end, _EVENTS_PER_PAGE):
            await _fold(source, {run.row["id"]: run}, start, min(run.end, start + _EVENTS_PER_PAGE))
    return existing


async def _rows_of_runs(source: Fetches, ids: Sequence[str]) -> list[Row]:
    rows = await source.fetch("runs_to_compare", ids)
    return [{**row, **{column: msgspec.json.decode(row[column]) for column in JSON_COLUMNS}} for row in rows]


def _next_seq(row: Row) -> int:
    return 0 if row["last_seq"] is None else int(row["last_seq"]) + 1


async def _fold(source: Fetches, runs: Mapping[str, ReadRun], start: int, end: int) -> None:
    ids = [run_id for run_id, run in runs.items() if run.end > start]
    rows = await source.fetch("events_to_fold", ids, start, end, list(_REQUIRED), list(_REQUIRED.values()))
    for row in rows:
        event = StoredEvent(*row.values())
        run = runs[event.run_id]
        if event.seq < run.end:
            run.add(event)
