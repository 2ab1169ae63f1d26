"""Reads the tables: the counts that the demo shows, and the queries of the report."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import asyncpg

from agent_runs.named_queries import load_queries

Database: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of runs by status, and of stored events, dead letters and repeats, in one snapshot."""

    running: int
    waiting: int
    completed: int
    failed: int
    event_count: int
    stored: int
    dead_letters: int
    repeats: int

    @property
    def processed(self) -> int:
        """The number of records that the consumers have processed."""
        return self.stored + self.dead_letters + self.repeats

    def runs(self, status: str) -> int:
        """The number of runs with this status."""
        return int(getattr(self, status))


async def query(database: Database, name: str, *arguments: object) -> list[asyncpg.Record]:
    """Run a query of queries.sql by its name and return its rows."""
    return await database.fetch(QUERIES[name], *arguments)


async def read_counts(database: Database) -> Counts:
    """Read the counts in one snapshot."""
    (row,) = await query(database, "counts")
    return Counts(**row)
