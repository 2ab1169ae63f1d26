"""What is new in a run that browsers follow, as messages that all its watchers share."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from agent_runs.codec.lossy_json import dump_struct
from agent_runs.reader import Reader, RunSummary, StoredEvent
from viewer.event_lines import line_of, read_lines
from viewer.event_stream import json_message, message

KEPT_BYTES: Final = 64 * 1024  # of the JSON of the last events; a slower watcher reads them from PostgreSQL itself
CATCH_UP_LINES: Final = 200  # that such a watcher reads at a time


class Lines(NamedTuple):
    """A message with the lines of some events; `last_seq` is the number of the last one."""

    last_seq: int
    message: bytes


class LiveRun:
    """A run, and its new events, which are read and encoded once for all its watchers."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._lines: deque[tuple[int, bytes]] = deque()  # numbers and JSON of the last events
        self._kept_bytes = 0
        self._newest: tuple[int, Lines] | None = None  # the message for watchers that have the events up to a number
        self._reads: dict[int, asyncio.Task[Lines | None]] = {}  # by the last event that a watcher has
        self.is_closed = False
        self.watchers = 0
        self.last_seq: int | None = None  # None: the run was not read yet
        self.summary = b""  # the message with the run after its last events
        self.problem = ""

    def close(self) -> None:
        """End the streams of the watchers."""
        self.is_closed = True
        self.wake()

    async def wait(self) -> None:
        """Wait until `wake` is called: for news, or for the time to say that there is none."""
        await self._news.wait()

    def wake(self) -> None:
        """Wake all watchers."""
        self._news.set()
        self._news = asyncio.Event()

    def set_problem(self, problem: str) -> None:
        """Set why PostgreSQL cannot be read, for the watchers; an empty text if it can."""
        if problem != self.problem:
            self.problem = problem
            self.wake()

    def show(self, summary: RunSummary | None, events: Sequence[StoredEvent]) -> None:
        """Add the events that follow the last one, and show the run; at first, its events are those of the watchers."""
        for event in events:
            self._add(event.seq, dump_struct(line_of(event)))
        if self.last_seq is None:
            self.last_seq = -1 if summary is None else summary.event_count - 1
        self.summary = message("run", summary)
        self.wake()

    def lines_after(self, after: int) -> Lines | None:
        """Return the kept events after a number; None if the one that follows it is not kept."""
        if self._newest is not None and self._newest[0] == after:
            return self._newest[1]
        if not self._lines or self._lines[0][0] > after + 1:
            return None
        last_seq = self._lines[-1][0]
        newest = islice(reversed(self._lines), last_seq - after)  # their numbers have no gaps
        lines = _lines_message(last_seq, [line for _, line in newest][::-1])
        self._newest = after, lines
        return lines

    async def catch_up(self, reader: Reader, run_id: str, after: int, limit: asyncio.Semaphore) -> Lines | None:
        """Read events that are not kept, once for all watchers that have the same last event: many reconnect at once.

        Args:
            reader: reads the run.
            run_id: the run.
            after: the number of the last event that the watcher has.
            limit: how many read at a time.
        """

        async def read() -> Lines | None:
            async with limit:
                events = (await read_lines(reader, run_id, after, CATCH_UP_LINES, None)).events
            return _lines_message(events[-1].seq, [dump_struct(line) for line in events]) if events else None

        if after not in self._reads:
            self._reads[after] = asyncio.create_task(read())
            self._reads[after].add_done_callback(lambda task: self._forget(after, task))
        # Not cancelled if a watcher goes: that would cut a connection to PostgreSQL.
        return await asyncio.shield(self._reads[after])

    def _add(self, seq: int, line: bytes) -> None:
        self._lines.append((seq, line))
        self._kept_bytes += len(line)
        while self._kept_bytes > KEPT_BYTES and len(self._lines) > 1:
            self._kept_bytes -= len(self._lines.popleft()[1])
        self._newest = None
        self.last_seq = seq

    def _forget(self, after: int, read: "asyncio.Task[Lines | None]") -> None:
        """Forget a read that has ended; retrieve its error, which asyncio would log if no watcher is left."""
        self._reads.pop(after, None)
        if not read.cancelled():
            read.exception()


def _lines_message(last_seq: int, lines: Sequence[bytes]) -> Lines:
    return Lines(last_seq, json_message("lines", b"[%s]" % b",".join(lines), last_seq))
