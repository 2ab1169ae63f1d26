"""Checks snapshots of the tables while the service runs, in a process of its own (`watch_process`).

    async with watching(bootstrap_servers, topic, database_url) as watch:
        …                      # load, faults
        await watch.caught_up()
    assert not watch.violations, watch.report()

The cost of a snapshot is proportional to what is new in it. The process waits while Kafka or PostgreSQL is unavailable.
It adds an index and an audit trigger to the database: see `following.sql`.
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
    """The results so far.

    Attributes:
        snapshots: the number of checked snapshots.
        events: the number of checked events.
        violations: in the order of the snapshots. Look at the first ones: a violation causes others in later snapshots.
    """

    def __init__(self, process: Process) -> None:
        self.snapshots = 0
        self.events = 0
        self.violations: list[Violation] = []
        self._process = process
        self._requests = 0
        self._answered = 0
        self._ready = False
        self._changed = asyncio.Condition()

    async def ready(self) -> None:
        """Wait until the process has started: from then on every move of an offset is audited."""
        await self._until(lambda: self._ready, READY_S)

    async def caught_up(self, deadline_s: float = 60.0) -> None:
        """Wait until a snapshot that was taken after this call is checked.

        Raises:
            TimeoutError: the deadline passed, for example because a server is unavailable.
            RuntimeError: the process has ended; the reason is on its standard error.
        """
        assert self._process.stdin is not None
        self._requests += 1
        request = self._requests
        self._process.stdin.write(b"check\n")
        await self._until(lambda: self._answered >= request, deadline_s)

    def report(self) -> str:
        """The number of violations, and the first ones, a line each."""
        return "\n".join([f"{len(self.violations)} violations", *map(str, self.violations[:SHOWN])])

    async def read_output(self) -> None:
        """Read the process's output until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self._add(json.loads(line))
            await self._notify()
        await self._process.wait()
        await self._notify()

    def _add(self, result: dict[str, object]) -> None:
        if result.get("ready"):
            self._ready = True
            return
        self.snapshots += 1
        self.events += int(str(result["events"]))
        self._answered = int(str(result["request"]))
        violations = result["violations"]
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
    """Check snapshots for the duration of the block. The topic and the schema must exist.

    Raises:
        RuntimeError: at the end of the block, if the process has ended before it.
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
    reading = asyncio.create_task(watch.read_output())
    try:
        await watch.ready()
        yield watch
        if process.returncode is not None:
            raise RuntimeError(f"the watching process has ended with {process.returncode}")
    finally:
        await _end(process, reading)


async def _end(process: Process, reading: asyncio.Task[None]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(asyncio.shield(reading), ENDS_WITHIN_S)
    except TimeoutError:
        process.kill()
        await reading
