"""Follows runs for the browsers that show them: one query a tick for all followed runs, however many watch them.

A tick reads the number of events of each followed run by its key. If some have new events, one more query reads these,
and a third one the runs after them.

The messages are server-sent events:

- `lines`: new events without their payloads; its id is the number of the last one, with which a client continues.
- `run`: the run after them.
- `problem`: PostgreSQL cannot be read, and why; empty if it can again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Final

from agent_runs.codec.lossy_json import dump_struct
from agent_runs.reader import Reader, ReaderError, RunSummary, StoredEvent
from viewer.errors import RETRY_S, Failure
from viewer.event_lines import MAX_LINES, EventLine, EventLines, line_of, read_lines

MAX_WATCHERS: Final = 1000
_TICK_S: Final = 0.1
# The wait is at least so many times as long as the reads before it, so that busy runs do not keep PostgreSQL busy.
WAIT_FOR_READS: Final = 3
_RETRY_S: Final = 1.0  # after an error
_KEPT_LINES: Final = MAX_LINES  # of each run; a slower watcher reads the events from PostgreSQL itself
_KEEP_ALIVE_S: Final = 15.0
KEEP_ALIVE: Final = b": keep-alive\n\n"


class _LiveRun:
    """The new events of one run, read once for all its watchers."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self.is_closed = False
        self.watchers = 0
        self.lines: deque[EventLine] = deque(maxlen=_KEPT_LINES)
        self.last_seq: int | None = None  # None: the run was not read yet
        self.summary: RunSummary | None = None
        self.reads: dict[int, asyncio.Task[EventLines]] = {}  # by the last event that a watcher has
        self.problem = ""

    def close(self) -> None:
        self.is_closed = True
        self._wake()

    async def wait(self) -> bool:
        """Wait for news; return False if there was none for a while."""
        news = self._news
        try:
            async with asyncio.timeout(_KEEP_ALIVE_S):
                await news.wait()
        except TimeoutError:
            return False
        return True

    def set_problem(self, problem: str) -> None:
        """Set why PostgreSQL cannot be read, for the watchers; an empty text if it can."""
        if problem != self.problem:
            self.problem = problem
            self._wake()

    def add(self, events: Sequence[StoredEvent]) -> None:
        """Add the events that follow the last one."""
        self.lines.extend(map(line_of, events))
        self.last_seq = events[-1].seq

    def show(self, summary: RunSummary | None) -> None:
        """Show the run as it is after its last events; at first, its events before them are those of the watchers."""
        if self.last_seq is None:
            self.last_seq = -1 if summary is None else summary.event_count - 1
        self.summary = summary
        self._wake()

    def forget(self, after: int, read: "asyncio.Task[EventLines]") -> None:
        """Forget a read that has ended; retrieve its error, which asyncio would log if no watcher is left."""
        self.reads.pop(after, None)
        if not read.cancelled():
            read.exception()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class LiveRuns:
    """The runs that are followed.

    Args:
        reader: reads them.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._runs: dict[str, _LiveRun] = {}
        self._watchers = 0
        self._added = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def close(self) -> None:
        """End all streams."""
        for run in self._runs.values():
            run.close()
        if self._task is not None:
            self._task.cancel()

    def follow(self, run_id: str, after: int) -> AsyncIterator[bytes]:
        """Return the messages for a watcher who has the events up to number `after`.

        Raises:
            Failure: there are too many watchers.
        """
        if self._watchers >= MAX_WATCHERS:
            raise Failure(
                503, f"{MAX_WATCHERS} pages follow runs already: close some.", headers={"Retry-After": str(RETRY_S)}
            )
        return self._follow(run_id, after)

    async def _follow(self, run_id: str, after: int) -> AsyncIterator[bytes]:
        run = self._runs.get(run_id)
        if run is None or run.is_closed:
            run = self._runs[run_id] = _LiveRun()
            self._added.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_while_watched())
        run.watchers += 1
        self._watchers += 1
        try:
            async for message in self._messages(run, run_id, after):
                yield message
        finally:
            self._watchers -= 1
            run.watchers -= 1
            if run.watchers == 0:
                run.close()
                if self._runs.get(run_id) is run:
                    del self._runs[run_id]

    async def _read_while_watched(self) -> None:
        loop = asyncio.get_running_loop()
        while self._runs:
            self._added.clear()
            started = loop.time()
            has_problem = await self._read(dict(self._runs))
            wait_s = max(_TICK_S, WAIT_FOR_READS * (loop.time() - started), _RETRY_S * has_problem)
            with suppress(TimeoutError):  # a run that is added is read at once
                await asyncio.wait_for(self._added.wait(), wait_s)

    async def _read(self, runs: dict[str, _LiveRun]) -> bool:
        """Read what is new in these runs, with three queries; return whether it could not be read."""
        problem = ""
        try:
            counts = await self._reader.event_counts(list(runs))
            new = [run_id for run_id, run in runs.items() if run.last_seq is None]
            seqs = {run_id: run.last_seq for run_id, run in runs.items() if run.last_seq is not None}
            behind = {run_id: seq for run_id, seq in seqs.items() if counts.get(run_id, 0) - 1 > seq}
            found = await self._reader.new_events(behind) if behind else {}
            changed = [*new, *found]
            summaries = await self._reader.get_summaries(changed) if changed else {}
            for run_id, events in found.items():
                runs[run_id].add(events)
            for run_id in changed:
                runs[run_id].show(summaries.get(run_id))
        except ReaderError as error:
            problem = str(error)
        for run in runs.values():
            run.set_problem(problem)
        return bool(problem)

    async def _messages(self, run: _LiveRun, run_id: str, after: int) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        summary, problem = None, ""
        while not run.is_closed:
            if problem != run.problem:
                problem = run.problem
                yield message("problem", problem)
            lines = await self._next_lines(run, run_id, after)
            if lines:
                after = lines[-1].seq
                yield message("lines", lines, after)
                continue
            if summary is not run.summary:
                summary = run.summary
                yield message("run", summary)
            elif not await run.wait():
                yield KEEP_ALIVE

    async def _next_lines(self, run: _LiveRun, run_id: str, after: int) -> list[EventLine]:
        """Return the next events after a number: those that were read for all, or the watcher's own if it is behind."""
        if run.last_seq is None or after >= run.last_seq:
            return []
        if run.lines and run.lines[0].seq <= after + 1:
            return [line for line in run.lines if line.seq > after][:MAX_LINES]
        try:
            return (await asyncio.shield(self._catch_up(run, run_id, after))).events
        except ReaderError:
            await run.wait()  # the run reports the problem
            return []

    def _catch_up(self, run: _LiveRun, run_id: str, after: int) -> "asyncio.Task[EventLines]":
        """Read events that are not kept, once for all watchers that have the same last event: many reconnect at once.

        It is not cancelled if a watcher goes: that would cut a connection to PostgreSQL.
        """
        if after not in run.reads:
            run.reads[after] = asyncio.create_task(read_lines(self._reader, run_id, after, MAX_LINES, None))
            run.reads[after].add_done_callback(lambda task: run.forget(after, task))
        return run.reads[after]


def message(name: str, data: object, id: int | None = None) -> bytes:
    """Return a server-sent event with JSON data."""
    # JSON has no line break, which would end the field.
    head = b"" if id is None else b"id: %d\n" % id
    return head + b"event: %s\ndata: %s\n\n" % (name.encode(), dump_struct(data))
