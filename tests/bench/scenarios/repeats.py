"""A topic that is consumed again into the same tables: every record is a repeat."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from statistics import median
from time import time
from typing import Any, Final

import asyncpg
from rich.console import Console

from tests.bench import report
from tests.bench.contestants import consume
from tests.bench.stage import Load, Stage
from tests.bench.tables import QUERIES, Committed, Tables, fresh_tables, queries
from tests.bench.turns import steady

_POLL_S: Final = 0.1
_ROUNDS: Final = 3


async def measure(stage: Stage, load: Load, console: Console) -> dict[str, Any]:
    """The rates of the first time and of the second, and the second to the first."""
    passes = []
    for _ in range(_ROUNDS):
        async with fresh_tables(stage.template) as tables:
            first = await _consume(stage, load, tables)
            await tables.fetch("forget_offsets")
            again = await _consume(stage, load, tables)
            await _check(tables, len(load.placed))
        console.print(f"Consumed: {first:,.0f} events/s, again: {again:,.0f}")
        passes.append((first, again))
    return {
        "events": len(load.placed),
        "first_events_per_s": median(first for first, _ in passes),
        "again_events_per_s": median(again for _, again in passes),
        "ratio": median(again / first for first, again in passes),
    }


async def _consume(stage: Stage, load: Load, tables: Tables) -> float:
    """Events a second, in the steady part: by the offsets, since repeats leave nothing else."""
    progress: list[Committed] = []
    polling = asyncio.create_task(_poll(tables.url, progress))
    try:
        await consume(stage, tables, load.topic)
        await asyncio.sleep(2 * _POLL_S)
    finally:
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
    begins, ends, events = steady(progress)
    return events / (ends - begins)


async def _poll(url: str, progress: list[Committed]) -> None:
    connection = await asyncpg.connect(url)
    try:
        so_far = 0
        while True:
            passed = await connection.fetchval(queries(QUERIES)["passed"])
            progress.append(Committed(time(), passed - so_far))
            so_far = passed
            await asyncio.sleep(_POLL_S)
    finally:
        connection.terminate()


async def _check(tables: Tables, events: int) -> None:
    [(stored, repeats)] = await tables.fetch("stored_and_repeated")
    if (stored, repeats) != (events, events):
        raise RuntimeError(f"of {events} events {stored} are stored, and {repeats} were counted as repeats")


def show(figures: dict[str, Any]) -> str:
    """One line."""
    cells: Sequence[str] = [f"{figures[key]:,.0f}" for key in ("events", "first_events_per_s", "again_events_per_s")]
    headings = ("events", "first time, events/s", "again, events/s", "ratio")
    return report.table(headings, [(*cells, f"{figures['ratio']:.2f}")])
