"""The tables as values that can be compared."""

from collections.abc import Mapping, Sequence

import asyncpg

# What a second consumption may write differently: the wall clock, and numbers that count insertions.
WALL_CLOCK = {
    "agent_runs": (),
    "run_events": (),
    "dead_letters": ("id", "created_at", "updated_at"),
    "consumer_offsets": ("updated_at",),
    "accepted_losses": ("id", "accepted_at"),
}
RUN_DATA = ("agent_runs", "run_events", "dead_letters")

Snapshot = Mapping[str, Sequence[str]]


async def snapshot(database: str) -> Snapshot:
    """Every row of every table of ours, without its wall-clock columns, in one order."""
    return {table: await _rows(database, table, WALL_CLOCK[table]) for table in WALL_CLOCK}


async def row_versions(database: str) -> Snapshot:
    """Every row of run data with all its columns, and the transaction that wrote this version of it."""
    return {table: await _rows(database, table, (), "xmin::text || ' ' || ") for table in RUN_DATA}


async def _rows(database: str, table: str, without: Sequence[str], prefix: str = "") -> Sequence[str]:
    # As JSONB: a column that is added some day is compared too, and `raw` and the rest need no decoder.
    query = f"SELECT {prefix}(to_jsonb(t) - $1::text[])::text AS row FROM {table} AS t ORDER BY row"
    connection = await asyncpg.connect(database)
    try:
        return [row["row"] for row in await connection.fetch(query, list(without))]
    finally:
        await connection.close()
