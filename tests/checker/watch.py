"""The rules held against snapshots while the service runs, in a process of its own.

    async with watching(bootstrap_servers, topic, database_url) as watch:
        …                      # faults, load
        await watch.caught_up()
    assert not watch.violations, watch.report()

The process costs what the load costs, whatever the tables hold already, and waits while Kafka or PostgreSQL is away.
It adds an index and an audit of the offsets to the database: see `following.sql`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.checker.classify import MAX_EVENT_BYTES
from tests.checker.violations import Rule, Violation

CHECKOUT = Path(__file__).parents[2]
READY_S = 60.0
ENDS_WITHIN_S = 30.0
MAX_LINE_BYTES = 64 * 1024 * 1024
SHOWN = 30


class Watch:
    """What was seen so far.

    Attributes:
        snapshots: how many were taken and judged.
        events: how many rows of `run_events` were.
        violations: in the order in which they were seen. Those of the first snapshot that has any tell most: what is
            wrong once makes much of what comes after it look wrong too.
    """

    def __init__(self, process: Process) -> None:
        self.snapshots = 0
        self.events = 0
        self.violations: list[Violation] = []
        self._process = process
        self._asked = 0
        self._answered = 0
        self._ready = False
        self._changed = asyncio.Condition()

    async def ready(self) -> None:
        """Wait until it watches: from then on every move of an offset is audited."""
        await self._until(lambda: self._ready, READY_S)

    async def caught_up(self, deadline_s: float = 60.0) -> None:
        """Wait for the verdict on a snapshot that was taken after this call.

        Raises:
            TimeoutError: there was none in time, for instance because a server is away.
            RuntimeError: the process has ended; its standard error says why.
        """
        assert self._process.stdin is not None
        self._asked += 1
        asked = self._asked
        self._process.stdin.write(b"look\n")
        await self._until(lambda: self._answered >= asked, deadline_s)

    def report(self) -> str:
        """The violations, a line each."""
        return "\n".join([f"{len(self.violations)} violations", *map(str, self.violations[:SHOWN])])

    async def listen(self) -> None:
        """Take in what the process says, until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self._take(json.loads(line))
            await self._notify()
        await self._process.wait()
        await self._notify()

    def _take(self, said: dict[str, object]) -> None:
        if said.get("ready"):
            self._ready = True
            return
        self.snapshots += 1
        self.events += int(str(said["events"]))
        self._answered = int(str(said["answered"]))
        violations = said["violations"]
        assert isinstance(violations, list)
        self.violations += [Violation(Rule(rule), subject, message) for rule, subject, message in violations]

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _until(self, condition: Callable[[], bool], deadline_s: float) -> None:
        async with asyncio.timeout(deadline_s), self._changed:
            await self._changed.wait_for(lambda: condition() or self._process.returncode is not None)
        if not condition():
            raise RuntimeError(f"the watching process has ended with {self._process.returncode}")


@asynccontextmanager
async def watching(
    bootstrap_servers: str,
    topic: str,
    database_url: str,
    *,
    interval_s: float = 1.0,
    max_event_bytes: int = MAX_EVENT_BYTES,
) -> AsyncIterator[Watch]:
    """Watch for as long as the block lasts; the topic and the schema must be there.

    Raises:
        RuntimeError: at the end of the block, when the process has ended before it.
    """
    settings = {
        "bootstrap_servers": bootstrap_servers,
        "topic": topic,
        "database_url": database_url,
        "interval_s": interval_s,
        "max_event_bytes": max_event_bytes,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.checker.watch_process", json.dumps(settings)),
        cwd=CHECKOUT,
        stdin=PIPE,
        stdout=PIPE,
        limit=MAX_LINE_BYTES,
    )
    watch = Watch(process)
    listening = asyncio.create_task(watch.listen())
    try:
        await watch.ready()
        yield watch
        if process.returncode is not None:
            raise RuntimeError(f"the watching process has ended with {process.returncode}")
    finally:
        await _end(process, listening)


async def _end(process: Process, listening: asyncio.Task[None]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(asyncio.shield(listening), ENDS_WITHIN_S)
    except TimeoutError:
        process.kill()
        await listening
