"""The contents of the tables as values that can be compared."""

from collections.abc import Mapping, Sequence

from tests.support.servers.clients import connect

# Columns that differ when a log is consumed a second time: wall-clock times and generated ids.
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
    """Return the sorted rows of every table, without the columns of WALL_CLOCK."""
    return {table: await _rows(database, table, WALL_CLOCK[table]) for table in WALL_CLOCK}


async def row_versions(database: str) -> Snapshot:
    """Return the sorted rows of RUN_DATA with all columns, and the id of the transaction that wrote each version."""
    return {table: await _rows(database, table, (), "xmin::text || ' ' || ") for table in RUN_DATA}


async def _rows(database: str, table: str, without: Sequence[str], prefix: str = "") -> Sequence[str]:
    # As JSONB, which includes columns that are added later, and needs no decoder for `raw`.
    query = f"SELECT {prefix}(to_jsonb(t) - $1::text[])::text AS row FROM {table} AS t ORDER BY row"
    async with connect(database) as connection:
        return [row["row"] for row in await connection.fetch(query, list(without))]
