"""A topic, a database, and consumers that come and go between them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import asyncpg
from confluent_kafka import Consumer, TopicPartition

from tests.checker import Violation, read_log, replay
from tests.support.consumer_process import CHECKOUT, ConsumerProcess
from tests.support.road import Road
from tests.support.servers.clients import execute
from tests.support.waiting import DEADLINE_S, until

# Small batches, so that there are many transactions; waits that a test can sit through.
SETTINGS = {
    "AGENT_RUNS_BATCH_RECORDS": "20",
    "AGENT_RUNS_SESSION_TIMEOUT_S": "2",
    "AGENT_RUNS_LOCK_TIMEOUT_S": "0.3",
    "AGENT_RUNS_STALLED_OWNER_S": "1",
    "AGENT_RUNS_SHUTDOWN_TIMEOUT_S": "3",
    "AGENT_RUNS_WATCH_INTERVAL_S": "1",
    "AGENT_RUNS_CONNECT_TIMEOUT_S": "2",
}
ANSWER_S = 30.0
TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'agent-runs-consumer'
"""
# The fingerprint is that of the last record passed: from here on, none that is known.
REWIND = """
    UPDATE consumer_offsets AS o
       SET next_offset = b.begins,
           last_offset = CASE WHEN o.last_offset < b.begins THEN o.last_offset END,
           last_timestamp = CASE WHEN o.last_offset < b.begins THEN o.last_timestamp END
      FROM unnest($1::integer[], $2::bigint[]) AS b (partition, begins)
     WHERE o.partition = b.partition
"""


@dataclass(frozen=True)
class Scene(Road):
    """A road with its consumers. `directory` is for what they say."""

    directory: Path
    consumers: list[ConsumerProcess] = field(default_factory=list)

    def start(self, *arguments: str, fault: str = "", **settings: str) -> ConsumerProcess:
        """Start a consumer; with a fault in it, when one is named (see `breakable`)."""
        if fault:
            return self._start("tests.support.fault_injection", arguments, {"FAULT_AT": fault, **settings})
        return self._start("consumer", ("run", *arguments), settings)

    def start_version(self, checkout: Path, **settings: str) -> ConsumerProcess:
        """Start the consumer of another version, which lies there."""
        return self._start("consumer", ("run",), settings, checkout)

    async def command(self, *arguments: str) -> str:
        """Run one of the operator's commands; it has to succeed. Returns what it said."""
        command = self._start("consumer", arguments, {})
        assert await command.ended() == 0, command.output
        return command.output

    def _start(
        self, module: str, arguments: tuple[str, ...], settings: Mapping[str, str], checkout: Path = CHECKOUT
    ) -> ConsumerProcess:
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.servers.bootstrap_servers,
            "DATABASE_URL": self.database,
            "AGENT_RUNS_TOPIC": self.topic,
            "AGENT_RUNS_GROUP": self.topic,
            **SETTINGS,
            **settings,
        }
        log = self.directory / f"{len(self.consumers)}-{self.database.rpartition('/')[2]}.log"
        self.consumers.append(ConsumerProcess(module, arguments, environment, log, checkout))
        return self.consumers[-1]

    async def stored(self) -> int:
        """How many records have been passed; 0 while the database does not say."""
        return sum((await self._offsets()).values())

    async def stores_more(self, records: int = 1) -> None:
        """Wait until so many more records have been passed."""
        before = await self.stored()
        await until(lambda: self._is_beyond(before + records), f"{records} more records than {before} are stored")

    async def drained(self, deadline_s: float = DEADLINE_S) -> None:
        """Wait until all that is in the log now is stored, by whomever."""
        ends = await self.ends()

        async def reached() -> bool:
            offsets = await self._offsets()
            return all(offsets.get(partition, 0) >= end for partition, end in ends.items())

        try:
            await until(reached, "the log is stored to its end", deadline_s)
        except AssertionError as error:
            error.add_note(f"{await self._offsets()} of {ends}")
            for consumer in self.consumers:
                error.add_note(consumer.output[-3_000:])
            raise

    async def ends(self) -> dict[int, int]:
        """Where the partitions' logs end now."""
        return await asyncio.to_thread(_ends, self.servers.bootstrap_servers, self.topic)

    async def terminate_backends(self) -> None:
        """End all sessions of consumers, wherever they are in a transaction."""
        await execute(self.database, TERMINATE)

    async def rewound(self, rng: Random) -> list[Violation]:
        """Consume a part of the log again, from some place in each partition on: what has that changed?

        The log must have been consumed to its end, and nobody be consuming it.
        """
        log = await asyncio.to_thread(read_log, self.servers.bootstrap_servers, self.topic)
        before = await self.tables()
        begins = {row.partition: rng.randint(row.first_offset, row.next_offset) for row in before.offsets}
        await self._rewind(begins)
        await self.consume()
        again = Counter(r.place.partition for r in log.records if r.place.offset >= begins[r.place.partition])
        return replay(before, await self.tables(), again)

    async def _rewind(self, begins: Mapping[int, int]) -> None:
        connection = await asyncpg.connect(self.database)
        try:
            await connection.execute(REWIND, list(begins), list(begins.values()))
        finally:
            await connection.close()

    async def _is_beyond(self, records: int) -> bool:
        return await self.stored() >= records

    async def _offsets(self) -> dict[int, int]:
        try:
            connection = await asyncpg.connect(self.database)
        except (OSError, asyncpg.PostgresError):
            return {}  # it is down, as a test wants it
        try:
            rows = await connection.fetch("SELECT partition, next_offset FROM consumer_offsets")
            return {row["partition"]: row["next_offset"] for row in rows}
        finally:
            await connection.close()


def _ends(bootstrap_servers: str, topic: str) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "ends"})
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=ANSWER_S)[1] for p in partitions}
    finally:
        consumer.close()
