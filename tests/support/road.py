"""A topic, a database, and the service between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.checker import check, read_tables
from tests.checker.tables import Tables
from tests.support.corpus import Message
from tests.support.foreign_producer import Receipt, consume_to_the_end, foreign_producer, publish
from tests.support.servers import Servers

VIOLATIONS_SHOWN = 50


@dataclass(frozen=True)
class Road:
    servers: Servers
    topic: str
    database: str

    def publish(self, messages: Iterable[Message]) -> list[Receipt]:
        return publish(foreign_producer(self.servers.bootstrap_servers), self.topic, messages)

    async def consume(self, **settings: str) -> None:
        """Run the service to the end of the log; it has to succeed."""
        finished = await consume_to_the_end(self.servers.bootstrap_servers, self.topic, self.database, **settings)
        assert finished.exit_code == 0, finished.output[-10_000:]

    async def assert_in_order(self) -> None:
        """Every record is in exactly one place."""
        violations = await check(self.servers.bootstrap_servers, self.topic, self.database)
        shown = map(str, violations[:VIOLATIONS_SHOWN])
        assert not violations, "\n".join([f"{len(violations)} violations", *shown])

    async def tables(self) -> Tables:
        return await read_tables(self.database)
