"""A topic that is consumed a second time into the same tables, so that every record is a repeat."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from statistics import median
from time import time
from typing import Any, Final

import asyncpg
from rich.console import Console

from tests.bench import report
from tests.bench.database import QUERIES, Database, Transaction, fresh_database, queries
from tests.bench.measurement import steady_part
from tests.bench.servers import Dataset, Servers
from tests.bench.systems import run_consumer

_POLL_INTERVAL_S: Final = 0.1
_ROUNDS: Final = 3


async def measure(servers: Servers, dataset: Dataset, console: Console) -> dict[str, Any]:
    """The rates of the first time and of the second time, and their ratio."""
    rounds = []
    for number in range(1, _ROUNDS + 1):
        async with fresh_database(servers.template) as database:
            first = await _consume(servers, dataset, database)
            await database.fetch("delete_offsets")
            again = await _consume(servers, dataset, database)
            await _check(database, len(dataset.records))
        console.print(f"  repeats, round {number}: first time {first:,.0f}, again {again:,.0f} events/s")
        rounds.append((first, again))
    return {
        "events": len(dataset.records),
        "first_events_per_s": median(first for first, _ in rounds),
        "again_events_per_s": median(again for _, again in rounds),
        "ratio": median(again / first for first, again in rounds),
    }


async def _consume(servers: Servers, dataset: Dataset, database: Database) -> float:
    """Events/s in the steady part. Computed from the stored offsets, because repeats change nothing else."""
    progress: list[Transaction] = []
    polling = asyncio.create_task(_poll(database.url, progress))
    try:
        await run_consumer(servers, database, dataset.topic)
        await asyncio.sleep(2 * _POLL_INTERVAL_S)
    finally:
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
    start, end, events = steady_part(progress)
    return events / (end - start)


async def _poll(url: str, progress: list[Transaction]) -> None:
    """Append the number of records consumed since the last poll, until cancelled."""
    connection = await asyncpg.connect(url)
    try:
        before = 0
        while True:
            consumed = await connection.fetchval(queries(QUERIES)["consumed_records"])
            progress.append(Transaction(time(), consumed - before))
            before = consumed
            await asyncio.sleep(_POLL_INTERVAL_S)
    finally:
        connection.terminate()


async def _check(database: Database, events: int) -> None:
    [(stored, repeats)] = await database.fetch("stored_and_repeated")
    if (stored, repeats) != (events, events):
        raise RuntimeError(
            f"the consumer stored {stored} events and counted {repeats} repeats, expected {events} of each"
        )


def to_table(figures: dict[str, Any]) -> str:
    """One row."""
    cells: Sequence[str] = [f"{figures[key]:,.0f}" for key in ("events", "first_events_per_s", "again_events_per_s")]
    headings = ("events", "first time, events/s", "again, events/s", "ratio")
    return report.table(headings, [(*cells, f"{figures['ratio']:.2f}")])
