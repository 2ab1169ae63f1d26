"""A migrated, empty database for each measurement, and what the database itself knows of it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg

from agent_runs.sql import load_queries
from consumer.postgres.copy_format import COLUMNS
from tests.support.servers import TemplateDatabase

QUERIES: Final = Path(__file__).with_name("queries.sql")
queries = cache(load_queries)


class Committed(NamedTuple):
    """A transaction that stored events."""

    at_s: float
    events: int


class Tables:
    """One database, over one connection."""

    def __init__(self, url: str, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.url = url
        self._connection = connection

    async def fetch(self, query: str, *parameters: object, file: Path = QUERIES) -> list[Any]:
        """The rows of a named query."""
        return await self._connection.fetch(queries(file)[query], *parameters)

    async def copy(self, batches: Iterable[Sequence[bytes]]) -> None:
        """COPY of rows that are ready, each batch in a transaction, over a connection of its own."""
        connection = await asyncpg.connect(self.url)
        try:
            for pieces in batches:
                await connection.copy_to_table("run_events", source=_stream(pieces), columns=COLUMNS, format="binary")
        finally:
            await connection.close()

    async def transactions(self, table: str) -> list[Committed]:
        """Those that stored events in a table, in the order of their commits."""
        query = queries(QUERIES)["transactions"].replace("run_events", table)
        return [Committed(*row) for row in await self._connection.fetch(query)]


async def _stream(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def check_stored(who: str, stored: int, events: int) -> None:
    """Raises RuntimeError unless every event was stored, and none twice."""
    if stored != events:
        raise RuntimeError(f"{who} stored {stored} of {events} events")


@asynccontextmanager
async def fresh_tables(template: TemplateDatabase) -> AsyncIterator[Tables]:
    """Empty tables, and a server that has written out whatever it had to write."""
    name = await template.clone()
    url = template.url_of(name)
    connection = await asyncpg.connect(url)
    try:
        tables = Tables(url, connection)
        await tables.fetch("checkpoint")
        yield tables
    finally:
        await connection.close()
        await template.drop(name)
