"""`RunFile`: reads the runs of a run file as `Reader` reads those of a database."""

from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from agent_runs.reader import (
    OpenQuestion,
    RunFilter,
    RunPage,
    RunSource,
    RunSummary,
    StoredEvent,
    Stream,
)
from agent_runs.reader.cursor import Position, decode_cursor, encode_cursor
from agent_runs.reader.run_source import DEFAULT_LIMIT, check_limit
from agent_runs.reader.tree import RelatedRuns
from agent_runs.run_file.lines import parse_event
from agent_runs.run_file.scan import scan

_PAGE_BYTES: Final = 512 * 1024
_PAGE_EVENTS: Final = 1000


class _Place(NamedTuple):
    """A run of the file, and the byte at which its events begin."""

    run: RunSummary
    position: int


class RunFile(RunSource):
    """Reads runs and their events from a run file, with the methods of `Reader`.

    The constructor reads the whole file once, to check it and to find its runs. Events are not kept in memory. Of a run
    that is in the file twice, the second counts.

    Args:
        path: the file. It must not change while it is used.

    Raises:
        InvalidRunFile: the file is cut off or altered, or is not a run file.
        OSError: the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._places = dict(_find_runs(self._path))

    async def close(self) -> None:
        """Do nothing: no file is open between calls."""

    async def __aenter__(self) -> Self:
        """Return the object itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing."""

    @property
    def run_ids(self) -> list[str]:
        """The ids of the runs, in the order of the file."""
        return list(self._places)

    async def get_summary(self, run_id: str) -> RunSummary | None:
        """Return a run without its events; None if it is not in the file."""
        place = self._places.get(run_id)
        return place.run if place else None

    def get_run_events(
        self, run_id: str, *, after: int = -1, until: int | None = None, types: Collection[str] | None = None
    ) -> Stream[StoredEvent]:
        """Iterate over the events of a run, see `RunSource`."""

        async def pages() -> AsyncIterator[list[StoredEvent]]:
            for page in self._pages(run_id, after, until):
                yield page if types is None else [event for event in page if event.type in types]

        return Stream(pages())

    async def list_runs(
        self, filter: RunFilter | None = None, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> RunPage:
        """Return a page of the runs that meet all conditions of a filter, see `RunSource`."""
        check_limit(limit)
        wanted = filter or RunFilter()
        found = [run for run, _ in self._places.values() if wanted.matches(run)]
        found.sort(key=_newest_last, reverse=True)
        if cursor is not None:
            position = decode_cursor(cursor)
            found = [run for run in found if _newest_last(run) < position]
        page = found[:limit]
        more = len(found) > limit
        return RunPage(runs=page, cursor=encode_cursor(_newest_last(page[-1])) if more else None)

    async def waiting_runs(self, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> RunPage:
        """Return a page of the runs with open questions, see `RunSource`."""
        check_limit(limit)
        found = [run for run, _ in self._places.values() if run.open_questions]
        found.sort(key=_longest_first)
        if cursor is not None:
            position = decode_cursor(cursor)
            found = [run for run in found if _longest_first(run) > position]
        page = found[:limit]
        more = len(found) > limit
        return RunPage(runs=page, cursor=encode_cursor(_longest_first(page[-1])) if more else None)

    async def questions_of(self, runs: Sequence[RunSummary]) -> list[OpenQuestion]:
        """Return the open questions of runs, see `RunSource`."""
        found = []
        for run in runs:
            wanted = {question.id for question in run.open_questions}
            if not wanted:
                continue
            events = self.get_run_events(run.id, types=["tool_requested"])
            requests = {each.id: each async for each in events if each.id in wanted}
            found += [
                OpenQuestion(run=run, id=each.id, tool_name=each.tool_name, request=requests.get(each.id))
                for each in run.open_questions
            ]
        return found

    async def related_runs(self, run_id: str, limit: int) -> RelatedRuns:
        """Return the ancestors and descendants of a run, see `RunSource`."""
        runs = [run for run, _ in self._places.values()]
        parents = {run.id: [self._places[run.parent_run_id].run] for run in runs if run.parent_run_id in self._places}
        children: dict[str, list[RunSummary]] = {}
        for run in runs:
            children.setdefault(run.parent_run_id or "", []).append(run)
        ancestors, descendants = _reachable(run_id, parents), _reachable(run_id, children)
        return RelatedRuns(
            ancestors=ancestors[:limit],
            descendants=descendants[:limit],
            is_complete=max(len(ancestors), len(descendants)) <= limit,
        )

    def _pages(self, run_id: str, after: int, until: int | None) -> Iterator[list[StoredEvent]]:
        page: list[StoredEvent] = []
        size = 0
        for line in self._event_lines(run_id, after, until):
            page.append(parse_event(line))
            size += len(line)
            if size >= _PAGE_BYTES or len(page) >= _PAGE_EVENTS:
                yield page
                page, size = [], 0
        if page:
            yield page

    def _event_lines(self, run_id: str, after: int, until: int | None) -> Iterator[bytes]:
        if run_id not in self._places:
            return
        run, position = self._places[run_id]
        end = run.event_count if until is None else min(run.event_count, until + 1)
        with self._path.open("rb") as file:
            file.seek(position)
            yield from islice(file, after + 1, max(after + 1, end))


def _find_runs(path: Path) -> Iterator[tuple[str, _Place]]:
    run = None
    for line in scan(path):
        if run is not None:
            yield run.id, _Place(run, line.position)
        run = line.content if isinstance(line.content, RunSummary) else None


def _reachable(run_id: str, edges: Mapping[str, list[RunSummary]]) -> list[RunSummary]:
    """Return the other runs that can be reached from a run, the nearest first; producers may report a circle."""
    found: dict[str, RunSummary] = {}
    waiting = deque([run_id])
    while waiting:
        for run in edges.get(waiting.popleft(), ()):
            if run.id != run_id and run.id not in found:
                found[run.id] = run
                waiting.append(run.id)
    return list(found.values())


def _newest_last(run: RunSummary) -> Position:
    return Position(run.created_at, run.id)


def _longest_first(run: RunSummary) -> Position:
    """The order of runs by how long they wait."""
    return Position(run.status_changed_at, run.id)
