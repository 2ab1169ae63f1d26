"""The process started by `watch`: checks a snapshot a second, and prints the result of each as a line of JSON.

    python -m tests.checker.watch_process '{"bootstrap_servers": …, "topic": …, "database_url": …, …}'

A line on standard input requests a snapshot at once. The process ends when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import asyncpg
from confluent_kafka import KafkaException

from tests.checker.following import EMPTY_SNAPSHOT, LogFollower, TablesFollower
from tests.checker.incremental import IncrementalChecker
from tests.checker.tables import Tables

# PostgreSQL or Kafka is unavailable: retry. Any other error is a bug of the checker and ends the process.
UNAVAILABLE = (
    *(OSError, TimeoutError, KafkaException, asyncpg.InterfaceError, asyncpg.InternalClientError),
    *(asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError),
)
RETRY_S = 0.3
MAX_VIOLATIONS = 50  # reported of one snapshot
Made = TypeVar("Made")


@dataclass(frozen=True)
class Settings:
    bootstrap_servers: str
    topic: str
    database_url: str
    interval_s: float
    max_event_bytes: int


class Watcher:
    """Checks the snapshots of one topic and one database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopped = threading.Event()
        self._requested = asyncio.Event()
        self._requests = 0  # the number of snapshots requested on standard input
        self._tables: TablesFollower | None = None
        self._last = EMPTY_SNAPSHOT

    async def run(self) -> None:
        """Check snapshots until standard input ends."""
        watching = asyncio.create_task(self._watch())
        listening = asyncio.create_task(self._listen())
        await asyncio.wait({watching, listening}, return_when=asyncio.FIRST_COMPLETED)
        self._stopped.set()
        for task in (watching, listening):
            task.cancel()
        if watching.done() and not watching.cancelled():
            watching.result()

    async def _listen(self) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        while await reader.readline():
            self._requests += 1
            self._requested.set()

    async def _watch(self) -> None:
        settings = self._settings
        await _retry(self._prepare)
        log = await _retry(lambda: asyncio.to_thread(LogFollower, settings.bootstrap_servers, settings.topic))
        checker = IncrementalChecker(log.log_buffer, settings.max_event_bytes)
        _print(ready=True)
        while True:
            request = self._requests
            tables = await self._snapshot({**dict.fromkeys(log.log_buffer.partitions, 0), **checker.offsets})
            if tables is not None:
                ends = {row.partition: row.next_offset for row in tables.offsets}
                # The log is read after the snapshot: then it has every record that the snapshot has.
                await asyncio.to_thread(log.read_to, ends, self._stopped)
                violations = await asyncio.to_thread(checker.check, tables)
                found = [[each.rule, each.subject, each.message] for each in violations[:MAX_VIOLATIONS]]
                _print(request=request, events=len(tables.events), violations=found)
            await self._pause()

    async def _prepare(self) -> None:
        tables = await TablesFollower.connect(self._settings.database_url)
        try:
            await tables.prepare()
        except UNAVAILABLE:
            tables.terminate()
            raise
        self._tables = tables

    async def _snapshot(self, starts: dict[int, int]) -> Tables | None:
        """The rows that are new; None if PostgreSQL is unavailable."""
        try:
            if self._tables is None:
                self._tables = await TablesFollower.connect(self._settings.database_url)
            self._last, tables = await self._tables.read(self._last, starts)
        except UNAVAILABLE:
            if self._tables is not None:
                self._tables.terminate()
            self._tables = None
            return None
        return tables

    async def _pause(self) -> None:
        if self._tables is None:
            await asyncio.sleep(RETRY_S)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._requested.wait(), self._settings.interval_s)
        self._requested.clear()


async def _retry(make: Callable[[], Awaitable[Made]]) -> Made:
    while True:
        try:
            return await make()
        except UNAVAILABLE:
            await asyncio.sleep(RETRY_S)


def _print(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    asyncio.run(Watcher(Settings(**json.loads(sys.argv[1]))).run())
