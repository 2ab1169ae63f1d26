"""Creates a migrated, empty database for each measurement, and reads the commit times."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import asyncpg

from agent_runs.named_queries import load_queries
from consumer.postgres.copy_format import COLUMNS
from tests.support.servers import TemplateDatabase

QUERIES: Final = Path(__file__).with_name("queries.sql")
queries = cache(load_queries)


class Transaction(NamedTuple):
    """A transaction that stored events. The time is in seconds since 1970."""

    committed_at_s: float
    events: int


class Database:
    """A database with one open connection."""

    def __init__(self, url: str, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.url = url
        self._connection = connection

    async def fetch(self, query: str, *parameters: object, file: Path = QUERIES) -> list[Any]:
        """Run a named query of the file; return the rows."""
        return await self._connection.fetch(queries(file)[query], *parameters)

    async def copy(self, batches: Iterable[Sequence[bytes]]) -> None:
        """COPY prepared rows into `run_events`, each batch in one transaction, over a connection of its own."""
        connection = await asyncpg.connect(self.url)
        try:
            for chunks in batches:
                await connection.copy_to_table("run_events", source=_stream(chunks), columns=COLUMNS, format="binary")
        finally:
            await connection.close()

    async def transactions(self, table: str) -> list[Transaction]:
        """Return the transactions that stored events in the table, in the order of their commits."""
        query = queries(QUERIES)["transactions"].replace("run_events", table)
        return [Transaction(*row) for row in await self._connection.fetch(query)]


async def _stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def check_stored(system: str, stored: int, events: int) -> None:
    """Raise RuntimeError unless `stored`, the number of stored events, equals `events`."""
    if stored != events:
        raise RuntimeError(f"{system} stored {stored} of {events} events, so its figures are not valid")


@asynccontextmanager
async def fresh_database(template: TemplateDatabase) -> AsyncIterator[Database]:
    """A clone of the template, after a checkpoint; dropped at the end of the block."""
    name = await template.clone()
    url = template.url_of(name)
    connection = await asyncpg.connect(url)
    try:
        database = Database(url, connection)
        await database.fetch("checkpoint")
        yield database
    finally:
        await connection.close()
        await template.drop(name)
