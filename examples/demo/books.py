"""The numbers of the show, each read where it is kept: what is stored in PostgreSQL, where the log ends in Kafka."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from agent_runs.sql import load_queries

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class Numbers:
    """One look at the books.

    Attributes:
        runs: how many runs have each status.
        event_count: the sum of what the runs say that they have; `stored` is counted from the events themselves.
        lag: records in the log that no consumer has passed yet.
    """

    runs: dict[str, int]
    event_count: int
    stored: int
    dead_letters: int
    repeats: int
    lag: int

    @property
    def accounted(self) -> int:
        """Records that have found the one place where they end."""
        return self.stored + self.dead_letters + self.repeats


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was no event."""

    partition: int
    record_offset: int
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run, and how many it has spawned."""

    id: str
    agent_id: str
    status: str
    event_count: int
    children: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of a run; `event_data` is the message as JSON."""

    event_seq: int
    event_data: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Numbering:
    """How the events of a run are numbered, in the order of the numbers."""

    run_id: str
    numbers: list[int]
    event_ids: list[str]


class Books:
    """Reads both sides of one topic."""

    def __init__(self, database: Connection, log: AIOKafkaConsumer, topic: str, partitions: int) -> None:
        self._database = database
        self._log = log
        self._topic = topic
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]

    async def numbers(self) -> Numbers:
        """All numbers of one moment."""
        # One snapshot, or a batch that commits between two queries would look like a miscount.
        async with self._database.transaction(isolation="repeatable_read", readonly=True):
            runs = await self._database.fetch(QUERIES["runs_by_status"])
            offsets = await self._database.fetch(QUERIES["offsets"], self._topic)
            stored = await self._database.fetchval(QUERIES["stored_events"])
            dead_letters = await self._database.fetchval(QUERIES["dead_letters_count"])
        # The log's ends are read last: what arrives in between counts as lag, which is never negative.
        ends = await self._log.end_offsets(self._partitions)
        return Numbers(
            runs={row["status"]: row["runs"] for row in runs},
            event_count=sum(row["events"] for row in runs),
            stored=stored,
            dead_letters=dead_letters,
            repeats=sum(row["repeats"] for row in offsets),
            lag=sum(ends.values()) - sum(row["next_offset"] for row in offsets),
        )

    async def dead_letters(self) -> list[DeadLetter]:
        """All of them, in the order of arrival."""
        return [DeadLetter(**row) for row in await self._database.fetch(QUERIES["dead_letters"])]

    async def run_through(self, moment: datetime) -> Run | None:
        """A finished run that had begun before this moment and ended after it; one with children if there is any."""
        row = await self._database.fetchrow(QUERIES["run_through"], moment)
        return Run(**row) if row else None

    async def events(self, run_id: str) -> list[StoredEvent]:
        """The events of a run in order."""
        return [StoredEvent(**row) for row in await self._database.fetch(QUERIES["events_of_run"], run_id)]

    async def numbering(self) -> list[Numbering]:
        """How every run is numbered."""
        return [Numbering(**row) for row in await self._database.fetch(QUERIES["numbering"])]


@asynccontextmanager
async def open_books(database_url: str, bootstrap_servers: str, topic: str, partitions: int) -> AsyncIterator[Books]:
    """Books with connections of their own."""
    database = await asyncpg.connect(database_url)
    log = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)  # no group: it only asks where the log ends
    try:
        await log.start()
        yield Books(database, log, topic, partitions)
    finally:
        await log.stop()
        await database.close()


async def create_database(server_url: str) -> None:
    """Make the demo's database on that server."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(QUERIES["create_database"])
    finally:
        await connection.close()
