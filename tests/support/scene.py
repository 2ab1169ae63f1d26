"""A topic, a database and its consumers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIG_DFL, SIGINT, SIGTERM, signal
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple, Protocol

import asyncpg

from consumer.service import serve
from consumer.settings import read_config
from tests.checker import check, read_tables
from tests.checker.tables import Tables
from tests.support.consumer_process import ConsumerProcess
from tests.support.foreign_producer import Receipt, foreign_producer, publish
from tests.support.messages import Message
from tests.support.paths import CHECKOUT
from tests.support.servers import Servers
from tests.support.servers.clients import connect, execute
from tests.support.servers.topics import end_offsets
from tests.support.waiting import DEADLINE_S, until

# For consumers in tests of faults: small batches, so that there are many transactions, and short timeouts.
FAULT_SETTINGS = {
    "AGENT_RUNS_BATCH_RECORDS": "20",
    "AGENT_RUNS_SESSION_TIMEOUT_S": "2",
    "AGENT_RUNS_LOCK_TIMEOUT_S": "0.3",
    "AGENT_RUNS_STALLED_OWNER_S": "1",
    "AGENT_RUNS_SHUTDOWN_TIMEOUT_S": "3",
    "AGENT_RUNS_WATCH_INTERVAL_S": "1",
    "AGENT_RUNS_CONNECT_TIMEOUT_S": "2",
}
PARTITIONS = 3  # of the topics in tests of faults
COMMAND_S = 120.0
SHOWN_VIOLATIONS = 50
SHOWN_CHARACTERS = 10_000
TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'agent-runs-consumer'
"""


class Finished(NamedTuple):
    """A command's exit code and output."""

    exit_code: int
    output: str


@dataclass(frozen=True)
class Scene:
    """A topic, a database and its consumers.

    Attributes:
        directory: the output of consumers is written to files in it.
        settings: added to the environment of everything that the scene runs.
        consumer_settings: added to the environment of consumers that `start` starts.
        consumers: all processes that `start` and `launch` have started.
    """

    servers: Servers
    topic: str
    database: str
    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    consumer_settings: Mapping[str, str] = field(default_factory=dict)
    consumers: list[ConsumerProcess] = field(default_factory=list)

    @property
    def database_name(self) -> str:
        """The name of the database."""
        return self.database.rpartition("/")[2]

    @property
    def until_end_group(self) -> str:
        """The consumer group of `consume` and `run_until_end`.

        `start` uses another one: a killed member stays in its group until its session ends.
        """
        return f"{self.topic}-until-end"

    @property
    def kafka_environ(self) -> dict[str, str]:
        """The part of `environ` with which a viewer publishes answers and reads lag: Kafka and the topic."""
        return {name: text for name, text in self.environ().items() if name.startswith(("KAFKA_", "AGENT_RUNS_TOPIC"))}

    def environ(self, **settings: str) -> dict[str, str]:
        """Return the environment for the service, without settings of the test run itself."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_RUNS_")}
        return inherited | {
            "KAFKA_BOOTSTRAP_SERVERS": self.servers.bootstrap_servers,
            "DATABASE_URL": self.database,
            "AGENT_RUNS_TOPIC": self.topic,
            "AGENT_RUNS_GROUP": self.topic,
            **self.settings,
            **settings,
        }

    async def publish(self, *messages: Message) -> list[Receipt]:
        """Publish in order and wait for all acknowledgements."""
        producer = foreign_producer(self.servers.bootstrap_servers)
        return await asyncio.to_thread(publish, producer, self.topic, messages)

    async def consume(self, **settings: str) -> None:
        """Run the service to the end of the log in this process; that is faster than starting another process."""
        settings = {"AGENT_RUNS_GROUP": self.until_end_group, **settings}
        before = {number: signal(number, SIG_DFL) for number in (SIGINT, SIGTERM)}
        try:
            await serve(read_config(self.environ(**settings)), to_end=True)
        finally:
            for number, handler in before.items():
                asyncio.get_running_loop().remove_signal_handler(number)
                signal(number, handler)

    async def run_until_end(self, **settings: str) -> None:
        """Run `python -m consumer run --until-end`; it must succeed."""
        settings = {"AGENT_RUNS_GROUP": self.until_end_group, **settings}
        finished = await self.command("run", "--until-end", **settings)
        assert finished.exit_code == 0, finished.output[-SHOWN_CHARACTERS:]

    async def command(self, *arguments: str, **settings: str) -> Finished:
        """Run `python -m consumer ARGUMENTS` to its end."""
        with NamedTemporaryFile(dir=self.directory, suffix=".log") as log:
            process = ConsumerProcess("consumer", arguments, self.environ(**settings), Path(log.name))
            try:
                return Finished(await process.wait_for_exit(COMMAND_S), process.output)
            finally:
                process.kill()  # if the command has not ended, or the test was cancelled

    def start(self, *arguments: str, fault: str = "", **settings: str) -> ConsumerProcess:
        """Start `python -m consumer run`; with a fault, see `tests.support.fault_injection`."""
        settings = {**self.consumer_settings, **settings}
        if fault:
            return self.launch("tests.support.fault_injection", arguments, {"FAULT_AT": fault, **settings})
        return self.launch("consumer", ("run", *arguments), settings)

    def launch(
        self, module: str, arguments: tuple[str, ...], settings: Mapping[str, str], checkout: Path = CHECKOUT
    ) -> ConsumerProcess:
        """Start `python -m MODULE ARGUMENTS` in a checkout, in the environment of the service."""
        log = self.directory / f"{len(self.consumers)}-{self.database_name}.log"
        self.consumers.append(ConsumerProcess(module, arguments, self.environ(**settings), log, checkout))
        return self.consumers[-1]

    def stop_consumers(self) -> None:
        """Kill all consumers, and require that none of them has logged an unhandled error."""
        for consumer in self.consumers:
            consumer.kill()
        for consumer in self.consumers:
            assert not consumer.has_unhandled_errors, consumer.output

    async def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Execute a query and return its rows."""
        async with connect(self.database) as connection:
            return [tuple(row) for row in await connection.fetch(query, *parameters)]

    async def tables(self) -> Tables:
        """Return a snapshot of the service's tables."""
        return await read_tables(self.database)

    async def event_ids(self, run_id: str) -> list[str]:
        """Return the ids of a run's events, ordered by event_seq."""
        query = "SELECT id FROM run_events WHERE run_id = $1 ORDER BY event_seq"
        return [row[0] for row in await self.rows(query, run_id)]

    async def dead_letters(self) -> list[tuple[int, str]]:
        """Return offset and reason of every dead letter, ordered by partition and offset."""
        rows = await self.rows("SELECT record_offset, reason FROM dead_letters ORDER BY partition, record_offset")
        return [(offset, reason) for offset, reason in rows]

    async def assert_consistent(self, *, dead_letters: bool = True) -> None:
        """Require that every record is stored exactly once, as an event, a dead letter or a repeat.

        The check shares no code with the service.

        Args:
            dead_letters: whether the database may contain dead letters.
        """
        violations = await check(self.servers.bootstrap_servers, self.topic, self.database)
        shown = map(str, violations[:SHOWN_VIOLATIONS])
        assert not violations, "\n".join([f"{len(violations)} violations", *shown])
        if not dead_letters:
            assert await self.dead_letters() == []

    async def wait_for_events(self, run_id: str, *event_ids: str) -> None:
        """Wait until a run has exactly these events, in this order."""

        async def stored() -> bool:
            return await self.event_ids(run_id) == list(event_ids)

        await until(stored, f"run {run_id} has the events {event_ids}")

    async def consumed_records(self) -> int:
        """Return the sum of all stored offsets; 0 while the database does not answer."""
        return sum((await self._next_offsets()).values())

    async def wait_for_more(self, records: int = 1) -> None:
        """Wait until this many more records are consumed."""
        before = await self.consumed_records()

        async def consumed() -> bool:
            return await self.consumed_records() >= before + records

        await until(consumed, f"{records} more records than {before} are consumed")

    async def wait_until_drained(self, deadline_s: float = DEADLINE_S) -> None:
        """Wait until everything that is in the log now is consumed."""
        ends = await end_offsets(self.servers.bootstrap_servers, self.topic)

        async def drained() -> bool:
            offsets = await self._next_offsets()
            return all(offsets.get(partition, 0) >= end for partition, end in ends.items())

        try:
            await until(drained, "the log is consumed to its end", deadline_s)
        except AssertionError as error:
            error.add_note(f"{await self._next_offsets()} of {ends}")
            for consumer in self.consumers:
                error.add_note(consumer.output[-3_000:])
            raise

    async def terminate_backends(self) -> None:
        """Terminate all PostgreSQL sessions of consumers."""
        await execute(self.database, TERMINATE)

    async def _next_offsets(self) -> dict[int, int]:
        try:
            return dict(await self.rows("SELECT partition, next_offset FROM consumer_offsets"))
        except (OSError, asyncpg.PostgresError):
            return {}  # the test has taken PostgreSQL down


class MakeScene(Protocol):
    """The fixture `make_scene`."""

    def __call__(self, partitions: int = 1, configs: Mapping[str, str] | None = None) -> Awaitable[Scene]:
        """Make a topic and an empty database. `configs` are the topic's, on top of LogAppendTime."""
