"""Consumes a topic twice into the same tables. The second time, every record is a repeat."""

import asyncio
from contextlib import suppress
from statistics import median
from time import time
from typing import Any, Final, NamedTuple

import asyncpg
from rich.console import Console

from tests.bench import report
from tests.bench.database import QUERIES, Database, fresh_database, queries
from tests.bench.measurement import steady_part
from tests.bench.servers import Dataset, Servers
from tests.bench.systems import run_consumer

_POLL_INTERVAL_S: Final = 0.1
_ROUNDS: Final = 3


class Progress(NamedTuple):
    """The records consumed since the previous sample. The time is in seconds since 1970."""

    sampled_at_s: float
    records: int


async def measure(servers: Servers, dataset: Dataset, console: Console) -> dict[str, Any]:
    """Return the medians over three rounds: the rate of the first time and of the second time, and their ratio."""
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
    """Consume the topic; return the events/s of the steady part.

    The rate is computed from the stored offsets, because repeats insert no rows.
    """
    samples: list[Progress] = []
    polling = asyncio.create_task(_poll(database.url, samples))
    try:
        await run_consumer(servers, database, dataset.topic)
    finally:
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
    [(consumed,)] = await database.fetch("consumed_records")  # the last poll may precede the last commit
    _append(samples, consumed)
    start, end, events = steady_part(samples)
    return events / (end - start)


async def _poll(url: str, samples: list[Progress]) -> None:
    """Append a sample every 100 ms until cancelled."""
    connection = await asyncpg.connect(url)
    try:
        while True:
            _append(samples, await connection.fetchval(queries(QUERIES)["consumed_records"]))
            await asyncio.sleep(_POLL_INTERVAL_S)
    finally:
        connection.terminate()


def _append(samples: list[Progress], consumed: int) -> None:
    """Append a sample of now. `consumed` is the number of records consumed since the start of the topic."""
    samples.append(Progress(time(), consumed - sum(sample.records for sample in samples)))


async def _check(database: Database, events: int) -> None:
    [(stored, repeats)] = await database.fetch("stored_and_repeated")
    if (stored, repeats) != (events, events):
        raise RuntimeError(
            f"the consumer stored {stored} events and counted {repeats} repeats, expected {events} of each"
        )


def to_table(figures: dict[str, Any]) -> str:
    """Format the figures as a table with one row."""
    cells = [f"{figures[key]:,.0f}" for key in ("events", "first_events_per_s", "again_events_per_s")]
    headings = ("events", "first time, events/s", "again, events/s", "ratio")
    return report.table(headings, [(*cells, f"{figures['ratio']:.2f}")])
