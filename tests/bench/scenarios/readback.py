"""Measures `verify` and `rebuild`: alone, with every run to repair, and beside a consumer that stores a backlog."""

import asyncio
import sys
from typing import Any, Final

from rich.console import Console

from tests.bench import report
from tests.bench.database import Database, check_stored, fresh_database
from tests.bench.measurement import steady_part
from tests.bench.processes import ProcessUsage, run_process
from tests.bench.records import plan_records
from tests.bench.scenarios.growth import copied_messages
from tests.bench.servers import PARTITIONS, Servers, temporary_topic
from tests.bench.systems import run_consumer

_SEED: Final = 5
_TOPIC: Final = "readback"


async def measure(servers: Servers, console: Console, *, full: bool) -> dict[str, Any]:
    """Return events/s of the consumer, of the commands, and of the consumer beside each command."""
    events = 1_000_000 if full else 300_000
    console.print(f"Publishing {events:,} events")
    async with temporary_topic(servers, _TOPIC, plan_records(copied_messages(events, _SEED), PARTITIONS)):
        async with fresh_database(servers.template) as database:
            figures: dict[str, Any] = {"events": events, "ingest": await _ingest(servers, database, events)}
            for name, command in (("verify", "verify"), ("rebuild", "rebuild"), ("rebuild all", "rebuild")):
                if name == "rebuild all":
                    await database.fetch("damage_all_runs")
                usage = await _command(database, command)
                figures[name] = {"events_per_s": events / usage.wall_s, "memory_mib": usage.memory_mib}
                console.print(f"  {name}: {events / usage.wall_s:,.0f} events/s")
        for command in ("verify", "rebuild"):
            async with fresh_database(servers.template) as database:
                beside = await _ingest_beside(servers, database, events, command)
                figures[f"ingest beside {command}"] = beside
                console.print(f"  ingest beside {command}: {beside:,.0f} events/s")
    return figures


async def _ingest(servers: Servers, database: Database, events: int) -> float:
    """Store the topic; return the events/s of the steady part."""
    await run_consumer(servers, database, _TOPIC)
    transactions = await database.transactions("run_events")
    check_stored("the consumer", sum(transaction.events for transaction in transactions), events)
    start, end, stored = steady_part(transactions)
    return stored / (end - start)


async def _ingest_beside(servers: Servers, database: Database, events: int, command: str) -> float:
    """Store the topic while a command is repeated; return the events/s of the steady part."""
    storing = asyncio.create_task(_ingest(servers, database, events))
    while not storing.done():
        await _command(database, command)
    return await storing


async def _command(database: Database, command: str) -> ProcessUsage:
    environment = {"DATABASE_URL": database.url, "AGENT_RUNS_TOPIC": _TOPIC}
    return await asyncio.to_thread(run_process, [sys.executable, "-m", "consumer", command], environment)


def to_table(figures: dict[str, Any]) -> str:
    """Format one row for each command."""
    ingest = figures["ingest"]
    rows = [["ingest", f"{ingest:,.0f}", "1.00", ""]]
    for name in ("verify", "rebuild", "rebuild all"):
        rate, memory = figures[name]["events_per_s"], figures[name]["memory_mib"]
        rows.append([name, f"{rate:,.0f}", f"{rate / ingest:.2f}", f"{memory:.0f}"])
    beside = ("ingest beside verify", "ingest beside rebuild")
    rows += [[name, f"{figures[name]:,.0f}", f"{figures[name] / ingest:.2f}", ""] for name in beside]
    return report.table((f"{figures['events']:,} events", "events/s", "ratio to ingest", "memory, MiB"), rows)
