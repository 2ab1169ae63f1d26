"""Follows runs for the browsers that show them: one query a tick for all followed runs, however many watch them.

A tick reads which of the runs have new events, by their keys, and in the same transaction these events.

The messages are server-sent events:

- `lines`: new events without their payloads; its id is the number of the last one, with which a client continues.
- `run`: the run after them.
- `problem`: PostgreSQL cannot be read, and why; empty if it can again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Final

from agent_runs.reader import NewEvents, Reader, ReaderError
from viewer.event_stream import KEEP_ALIVE, message
from viewer.live_run import Lines, LiveRun
from viewer.places import check_place

MAX_WATCHERS: Final = 1000
_TICK_S: Final = 0.1
# The wait is at least so many times as long as the reads before it, so that busy runs do not keep PostgreSQL busy.
WAIT_FOR_READS: Final = 3
# A tick is so much longer for each watcher that it has woken: at most a thousand of them are written to in a second.
_WAIT_OF_WATCHER_S: Final = 0.001
_RETRY_S: Final = 1.0  # after an error
_KEEP_ALIVE_S: Final = 15.0
_MAX_CATCH_UPS: Final = 2  # at a time, so that pages find a connection to PostgreSQL


class LiveRuns:
    """The runs that are followed.

    Args:
        reader: reads them.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._runs: dict[str, LiveRun] = {}
        self._watchers: Counter[str] = Counter()  # by client
        self._catch_ups = asyncio.Semaphore(_MAX_CATCH_UPS)
        self._added = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def close(self) -> None:
        """End all streams."""
        for run in self._runs.values():
            run.close()
        if self._task is not None:
            self._task.cancel()

    def follow(self, run_id: str, after: int, client: str) -> AsyncIterator[bytes]:
        """Return the messages for a watcher who has the events up to number `after`.

        Raises:
            Failure: there are too many watchers, or the client has too many of them.
        """
        check_place(MAX_WATCHERS, self._watchers.total(), self._watchers[client], "pages that follow runs")
        return self._follow(run_id, after, client)

    async def _follow(self, run_id: str, after: int, client: str) -> AsyncIterator[bytes]:
        run = self._runs.get(run_id)
        if run is None or run.is_closed:
            run = self._runs[run_id] = LiveRun()
            self._added.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_while_watched())
        run.watchers += 1
        self._watchers[client] += 1
        try:
            async for message in self._messages(run, run_id, after):
                yield message
        finally:
            self._watchers[client] -= 1
            if not self._watchers[client]:
                del self._watchers[client]
            run.watchers -= 1
            if run.watchers == 0:
                run.close()
                if self._runs.get(run_id) is run:
                    del self._runs[run_id]

    async def _read_while_watched(self) -> None:
        loop = asyncio.get_running_loop()
        kept_alive = loop.time()
        while self._runs:
            self._added.clear()
            started = loop.time()
            runs, problem, woken = dict(self._runs), "", 0
            try:
                woken = await self._read(runs)
            except ReaderError as error:
                problem = str(error)
            for run in runs.values():
                run.set_problem(problem)
            if started - kept_alive >= _KEEP_ALIVE_S:
                kept_alive = started
                for run in runs.values():
                    run.wake()
            wait_s = _RETRY_S if problem else WAIT_FOR_READS * (loop.time() - started)
            with suppress(TimeoutError):  # a run that is added is read at once
                await asyncio.wait_for(self._added.wait(), max(_TICK_S, wait_s, woken * _WAIT_OF_WATCHER_S))

    async def _read(self, runs: Mapping[str, LiveRun]) -> int:
        """Read what is new in these runs; return how many watchers have news."""
        added = [run_id for run_id, run in runs.items() if run.last_seq is None]
        summaries = await self._reader.get_summaries(added) if added else {}
        seqs = {run_id: run.last_seq for run_id, run in runs.items() if run.last_seq is not None}
        new = await self._reader.new_events(seqs) if seqs else NewEvents(runs={}, events={})
        for run_id in added:
            runs[run_id].show(summaries.get(run_id), [])
        for run_id, events in new.events.items():
            runs[run_id].show(new.runs[run_id], events)
        return sum(runs[run_id].watchers for run_id in (*added, *new.events))

    async def _messages(self, run: LiveRun, run_id: str, after: int) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        summary, problem, is_woken = b"", "", False
        while not run.is_closed:
            parts = []
            if problem != run.problem:
                problem = run.problem
                parts.append(message("problem", problem))
            if (lines := await self._next_lines(run, run_id, after)) is not None:
                after = lines.last_seq
                parts.append(lines.message)
            if summary != run.summary and (lines is None or lines.last_seq == run.last_seq):
                summary = run.summary
                parts.append(summary)
            if parts or is_woken:
                is_woken = False
                yield b"".join(parts) or KEEP_ALIVE  # one write for all
            else:
                await run.wait()
                is_woken = True

    async def _next_lines(self, run: LiveRun, run_id: str, after: int) -> Lines | None:
        """Return the next events after a number: those that were read for all, or the watcher's own if it is behind."""
        if run.last_seq is None or after >= run.last_seq:
            return None
        if (lines := run.lines_after(after)) is not None:
            return lines
        try:
            return await run.catch_up(self._reader, run_id, after, self._catch_ups)
        except ReaderError:
            await asyncio.sleep(_RETRY_S)  # the run reports the problem
            return Lines(after, b"")
