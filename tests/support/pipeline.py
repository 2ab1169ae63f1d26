"""A topic, a database, and the service between them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from consumer.config import read_config
from consumer.service import serve
from tests.checker import check
from tests.support.messages import Message, publish
from tests.support.running import Running
from tests.support.servers import Servers

CHECKOUT = Path(__file__).parents[2]
COMMAND_S = 60.0


class Finished(NamedTuple):
    """How a command ended, and all that it said."""

    exit_code: int
    output: str


@dataclass(frozen=True)
class Pipeline:
    """`settings` are in the environment of everything that it starts."""

    servers: Servers
    topic: str
    database: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def environ(self, **settings: str) -> dict[str, str]:
        """The service's environment: this pipeline's settings, and none of the tests' own."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_RUNS_")}
        return inherited | {
            "KAFKA_BOOTSTRAP_SERVERS": self.servers.bootstrap_servers,
            "DATABASE_URL": self.database,
            "AGENT_RUNS_TOPIC": self.topic,
            "AGENT_RUNS_GROUP": f"{self.topic}-group",
            **self.settings,
            **settings,
        }

    async def publish(self, *messages: Message, **options: object) -> None:
        """Send these in their order; `options` are the producer's."""
        await publish(self.servers.bootstrap_servers, self.topic, messages, **options)

    async def consume(self, **settings: str) -> None:
        """`run --until-end`, in this process: a fraction of the time that starting one takes."""
        await serve(read_config(self.environ(**settings)), to_end=True)

    async def command(self, *arguments: str, **settings: str) -> Finished:
        """`python -m consumer …` as an operator runs it."""
        process = await self._start(*arguments, **settings)
        try:
            output, _ = await asyncio.wait_for(process.communicate(), COMMAND_S)
        except TimeoutError:
            process.kill()
            output, _ = await process.communicate()
            raise AssertionError(f"{arguments} had not ended after {COMMAND_S} s:\n{output.decode()}") from None
        return Finished(await process.wait(), output.decode())

    @asynccontextmanager
    async def consumer(self, **settings: str) -> AsyncIterator[Running]:
        """`python -m consumer run`, killed at the latest at the end of the block."""
        process = await self._start("run", AGENT_RUNS_LOG_FORMAT="json", **settings)
        async with Running(process) as running:
            yield running

    async def _start(self, *arguments: str, **settings: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "consumer", *arguments),
            cwd=CHECKOUT,
            env=self.environ(**settings),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a query of the test's own."""
        connection = await asyncpg.connect(self.database)
        try:
            return [tuple(row) for row in await connection.fetch(query, *parameters)]
        finally:
            await connection.close()

    async def stored(self, run_id: str) -> list[str]:
        """The ids of a run's events in their order."""
        return [
            row[0] for row in await self.rows("SELECT id FROM run_events WHERE run_id = $1 ORDER BY event_seq", run_id)
        ]

    async def letters(self) -> list[tuple[int, str]]:
        """Offset and reason of every dead letter, in the order of the log."""
        letters = await self.rows("SELECT record_offset, reason FROM dead_letters ORDER BY partition, record_offset")
        return [(offset, reason) for offset, reason in letters]

    async def assert_in_order(self) -> None:
        """Every record is in exactly one place, by a check that shares no code with the service."""
        violations = await check(self.servers.bootstrap_servers, self.topic, self.database)
        assert not violations, "\n".join(map(str, violations[:20]))
