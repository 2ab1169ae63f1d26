"""From publish to visible under a steady load, beside a bare round trip through Kafka under the same load."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

from rich.console import Console

from tests.bench import report
from tests.bench.stage import PARTITIONS, Stage, published
from tests.bench.tables import Tables, fresh_tables
from tests.support.servers.clients import until
from tests.support.servers.databases import CHECKOUT

RATES: Final = (100, 1_000, 10_000)  # events a second
_SHORT_S: Final = 15
_FULL_S: Final = 40


async def measure(stage: Stage, console: Console, *, full: bool) -> list[dict[str, Any]]:
    """For each rate both latencies."""
    seconds = _FULL_S if full else _SHORT_S
    figures = []
    for rate in RATES:
        console.print(f"Publishing {rate:,} events/s")
        bare = await _bare(stage, rate, seconds)
        visible = await _visible(stage, rate, seconds)
        figures.append({"events_per_s": rate, "bare": bare, "visible": visible})
    return figures


async def _bare(stage: Stage, rate: int, seconds: int) -> dict[str, Any]:
    topic = _new_topic()
    async with published(stage, topic, ()):
        return await _probe("bare", topic, rate, seconds, {"KAFKA_BOOTSTRAP_SERVERS": stage.bootstrap_servers})


async def _visible(stage: Stage, rate: int, seconds: int) -> dict[str, Any]:
    topic = _new_topic()
    async with published(stage, topic, ()), fresh_tables(stage.template) as tables:
        environment = {"KAFKA_BOOTSTRAP_SERVERS": stage.bootstrap_servers, "DATABASE_URL": tables.url}
        async with _consumer({**environment, "AGENT_RUNS_TOPIC": topic, "AGENT_RUNS_GROUP": topic}):
            await until(lambda: _is_taken_up(tables))
            result = await _probe("visible", topic, rate, seconds, environment)
            await _check(tables, rate * seconds)
    return result


def _new_topic() -> str:
    return f"latency-{uuid4().hex}"


@asynccontextmanager
async def _consumer(environment: dict[str, str]) -> AsyncIterator[None]:
    """A consumer that runs meanwhile, and ends well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "consumer", "run"),
        cwd=CHECKOUT,
        env={**os.environ, **environment, "AGENT_RUNS_LOG_LEVEL": "warning"},
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        if await process.wait():
            raise RuntimeError(f"the consumer ended with {process.returncode}")


async def _is_taken_up(tables: Tables) -> bool:
    """Whether every partition is being consumed."""
    [(taken_up,)] = await tables.fetch("taken_up")
    return bool(taken_up == PARTITIONS)


async def _probe(mode: str, topic: str, rate: int, seconds: int, environment: dict[str, str]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.scenarios.probe", mode, topic, str(rate), str(seconds)),
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the probe ended with {process.returncode}")
    result: dict[str, Any] = json.loads(said)
    return result


async def _check(tables: Tables, events: int) -> None:
    [(stored, _)] = await tables.fetch("stored_and_repeated")
    if stored < events * 0.99:  # the last are on their way
        raise RuntimeError(f"{stored} of {events} events were stored")


def show(figures: list[dict[str, Any]]) -> str:
    """A line for each rate."""
    headings = ("events/s", "visible p50, ms", "p99", "bare round trip p50, ms", "p99", "p50 ratio", "p99 ratio")
    rows = []
    for figure in figures:
        visible, bare = figure["visible"], figure["bare"]
        times = [f"{which[key]:.1f}" for which in (visible, bare) for key in ("p50_ms", "p99_ms")]
        ratios = [f"{visible[key] / bare[key]:.1f}" for key in ("p50_ms", "p99_ms")]
        rows.append([f"{visible['offered_per_s']:,.0f}", *times, *ratios])
    return report.table(headings, rows)
