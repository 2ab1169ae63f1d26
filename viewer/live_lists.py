"""Follows lists for the browsers that show them: one query a tick for the shown runs of all pages, one for each filter.

The messages are server-sent events:

- `runs`: those of the page's runs that have changed; at first, all of them.
- `new`: how many runs are in the list that were not when the page was made.
- `problem`: PostgreSQL cannot be read, and why; empty if it can again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from agent_runs.reader import Reader, ReaderError, RunSummary
from agent_runs.reader.cursor import Position
from viewer.event_stream import KEEP_ALIVE, message
from viewer.live import WAIT_FOR_READS
from viewer.places import check_place

MAX_PAGES: Final = 500
MAX_NEW: Final = 100  # new runs are counted up to this number
MAX_LISTS: Final = 50  # different filters
_TICK_S: Final = 1.0
_KEEP_ALIVE_TICKS: Final = 15
_RUNS_OF_QUERY: Final = 1000

# Reads the newest places of a list.
ReadNewest = Callable[[], Awaitable[list[Position]]]


class Page(NamedTuple):
    """A list in a browser.

    Attributes:
        key: names the list; pages with the same key share what is read.
        read_newest: reads the places of the newest runs of the list, at most one more than `MAX_NEW`.
        newest: the place of the newest run when the page was made; None if there was none.
        run_ids: the runs that the page shows.
        client: whose page it is.
    """

    key: str
    read_newest: ReadNewest
    newest: Position | None
    run_ids: Sequence[str]
    client: str


class LiveLists:
    """The lists that are followed.

    Args:
        reader: reads the runs.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._shown: dict[int, Page] = {}
        self._runs: dict[str, RunSummary] = {}
        self._newest: dict[str, list[Position]] = {}
        self._problem = ""
        self._ticked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self._last_number = 0

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
        self._ticked.set()

    def follow(self, page: Page) -> AsyncIterator[bytes]:
        """Return the messages for a page.

        Raises:
            Failure: too many pages or lists are followed, or too many of them by the client.
        """
        of_client = [each.key for each in self._shown.values() if each.client == page.client]
        check_place(MAX_PAGES, len(self._shown), len(of_client), "pages that follow lists")
        keys, keys_of_client = {each.key for each in self._shown.values()}, set(of_client)
        if page.key not in keys_of_client:
            taken = len(keys - {page.key})  # a list that is read already costs nothing
            check_place(MAX_LISTS, taken, len(keys_of_client), "lists that are followed")
        return self._follow(page)

    async def _follow(self, page: Page) -> AsyncIterator[bytes]:
        self._last_number += 1
        number = self._last_number
        self._shown[number] = page
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_while_shown())
        try:
            async for each in self._messages(page):
                yield each
        finally:
            del self._shown[number]

    async def _messages(self, page: Page) -> AsyncIterator[bytes]:
        yield b"retry: 3000\n\n"
        sent: dict[str, RunSummary] = {}
        problem, new, idle = "", 0, 0
        while not self._is_closed:
            idle += 1
            ticked = self._ticked
            await ticked.wait()
            if problem != self._problem:
                problem, idle = self._problem, 0
                yield message("problem", problem)
            shown = [self._runs[run_id] for run_id in page.run_ids if run_id in self._runs]
            changed = [run for run in shown if run != sent.get(run.id)]
            if changed:
                sent |= {run.id: run for run in changed}
                idle = 0
                yield message("runs", changed)
            count = sum(page.newest is None or place > page.newest for place in self._newest.get(page.key, ()))
            if count != new:
                new, idle = count, 0
                yield message("new", {"count": min(count, MAX_NEW), "more": count > MAX_NEW})
            if idle >= _KEEP_ALIVE_TICKS:
                idle = 0
                yield KEEP_ALIVE

    async def _read_while_shown(self) -> None:
        loop = asyncio.get_running_loop()
        while self._shown:
            started = loop.time()
            try:
                await self._read(list(self._shown.values()))
                self._problem = ""
            except ReaderError as error:
                self._problem = str(error)
            self._ticked.set()
            self._ticked = asyncio.Event()
            await asyncio.sleep(max(_TICK_S, WAIT_FOR_READS * (loop.time() - started)))

    async def _read(self, pages: Sequence[Page]) -> None:
        ids = sorted({run_id for page in pages for run_id in page.run_ids})
        runs: dict[str, RunSummary] = {}
        for start in range(0, len(ids), _RUNS_OF_QUERY):
            runs |= await self._reader.get_summaries(ids[start : start + _RUNS_OF_QUERY])
        self._runs = runs
        self._newest = {key: self._newest.get(key, []) for key in {page.key for page in pages}}
        for key, page in {page.key: page for page in pages}.items():
            with suppress(ReaderError):  # a filter may exceed the deadline; the other lists continue
                self._newest[key] = await page.read_newest()
