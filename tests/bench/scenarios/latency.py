"""Measures the latency from publish to visible, and of a bare round trip through Kafka, at the same steady rates."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

from rich.console import Console

from tests.bench import report
from tests.bench.database import Database, fresh_database
from tests.bench.processes import run_json_module
from tests.bench.servers import PARTITIONS, Servers, temporary_topic
from tests.support.paths import CHECKOUT
from tests.support.waiting import until

RATES: Final = (100, 1_000, 10_000)  # events/s
_SHORT_S: Final = 15
_FULL_S: Final = 40
_LEAST_STORED_SHARE: Final = 0.99  # share of the events; the last events may be in flight when the probe ends


async def measure(servers: Servers, console: Console, *, full: bool) -> list[dict[str, Any]]:
    """Return the latencies of the bare round trip and of the consumer for each rate."""
    seconds = _FULL_S if full else _SHORT_S
    figures = []
    for rate in RATES:
        console.print(f"Publishing {rate:,} events/s")
        bare = await _bare(servers, rate, seconds)
        visible = await _visible(servers, rate, seconds)
        figures.append({"events_per_s": rate, "bare": bare, "visible": visible})
    return figures


async def _bare(servers: Servers, rate: int, seconds: int) -> dict[str, Any]:
    topic = _new_topic()
    async with temporary_topic(servers, topic, ()):
        return await _probe("bare", topic, rate, seconds, {"KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers})


async def _visible(servers: Servers, rate: int, seconds: int) -> dict[str, Any]:
    topic = _new_topic()
    async with temporary_topic(servers, topic, ()), fresh_database(servers.template) as database:
        environment = {"KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers, "DATABASE_URL": database.url}
        async with running_consumer({**environment, "AGENT_RUNS_TOPIC": topic, "AGENT_RUNS_GROUP": topic}):
            await until(lambda: all_claimed(database), "all partitions are claimed")
            result = await _probe("visible", topic, rate, seconds, environment)
            await _check_stored(database, rate * seconds)
    return result


def _new_topic() -> str:
    return f"latency-{uuid4().hex}"


@asynccontextmanager
async def running_consumer(environment: dict[str, str]) -> AsyncIterator[int]:
    """Run a consumer during the block; yield its process id.

    Raises:
        RuntimeError: the consumer ended with an exit code other than 0.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "consumer", "run"),
        cwd=CHECKOUT,
        env={**os.environ, **environment, "AGENT_RUNS_LOG_LEVEL": "warning"},
    )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        if await process.wait():
            raise RuntimeError(f"the consumer ended with exit code {process.returncode}; its log is above")


async def all_claimed(database: Database) -> bool:
    """Return whether a consumer has claimed every partition."""
    [(claimed,)] = await database.fetch("claimed_partitions")
    return bool(claimed == PARTITIONS)


async def _probe(mode: str, topic: str, rate: int, seconds: int, environment: dict[str, str]) -> dict[str, Any]:
    arguments = (mode, topic, str(rate), str(seconds))
    result: dict[str, Any] = await asyncio.to_thread(
        run_json_module, "tests.bench.scenarios.latency_probe", arguments, environment
    )
    return result


async def _check_stored(database: Database, events: int) -> None:
    [(stored, _)] = await database.fetch("stored_and_repeated")
    if stored < events * _LEAST_STORED_SHARE:
        raise RuntimeError(f"the consumer stored {stored} of {events} events, so the latencies are not valid")


def to_table(figures: list[dict[str, Any]]) -> str:
    """Format one row for each rate."""
    headings = ("events/s", "visible p50, ms", "p99", "bare round trip p50, ms", "p99", "p50 ratio", "p99 ratio")
    rows = []
    for figure in figures:
        visible, bare = figure["visible"], figure["bare"]
        times = [f"{latencies[key]:.1f}" for latencies in (visible, bare) for key in ("p50_ms", "p99_ms")]
        ratios = [f"{visible[key] / bare[key]:.1f}" for key in ("p50_ms", "p99_ms")]
        rows.append([f"{visible['offered_per_s']:,.0f}", *times, *ratios])
    return report.table(headings, rows)
