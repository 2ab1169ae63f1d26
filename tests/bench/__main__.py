"""`python -m tests.bench`, which `make bench` runs: starts the servers, runs each scenario, prints the tables."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from tests.bench import environment, goals, report
from tests.bench.records import plan_records
from tests.bench.scenarios import (
    growth,
    latency,
    memory,
    mixes,
    readback,
    repeats,
    reread,
    suspicions,
    takeover,
    throughput,
)
from tests.bench.servers import PARTITIONS, publish_dataset, start_servers
from tests.bench.workload import messages

_SEED: Final = 1
_SHORT: Final = 200_000
_FULL: Final = 400_000  # enough for a JVM to compile its hot code
_ROUNDS: Final = 3


_TABLES: Final[dict[str, Callable[[Any], str]]] = {
    "speed": throughput.to_table,
    "latency": latency.to_table,
    "takeover": takeover.to_table,
    "suspicions": suspicions.to_table,
    "repeats": repeats.to_table,
    "mixes": mixes.to_table,
    "memory": memory.to_table,
    "growth": growth.to_table,
    "readback": readback.to_table,
    "reread": reread.to_table,
}


@click.command()
@click.option("--full", is_flag=True, help="Run at full length, with ten million events in the largest table.")
@click.option("--peers", is_flag=True, help="Also measure other programs; `make bench-peers` installs them.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures as JSON to this file.")
@click.option("--only", multiple=True, type=click.Choice(list(_TABLES)), help="Run this scenario only; repeatable.")
def main(full: bool, peers: bool, json_file: Path | None, only: tuple[str, ...]) -> None:
    """Measure the consumer, and compare it with a COPY of prepared rows.

    Starts its own Kafka and PostgreSQL servers. AGENT_RUNS_* variables apply to the consumer, except those that a
    scenario sets.
    """
    console = Console(highlight=False, soft_wrap=True)
    figures: dict[str, Any] = {}
    try:
        asyncio.run(_measure(figures, only or tuple(_TABLES), console, full=full, peers=peers))
    finally:  # if a scenario fails, the figures of the scenarios before it are still written
        if json_file is not None:
            json_file.write_text(json.dumps(figures, indent=2) + "\n")
    console.print("\n\n".join(_tables(figures)))


async def _measure(figures: dict[str, Any], only: Sequence[str], console: Console, *, full: bool, peers: bool) -> None:
    """Run the scenarios in `only`, and add the figures of each under its name."""
    events = _FULL if full else _SHORT
    console.print(f"Generating {events:,} events")
    records = list(plan_records(messages(_SEED, events), PARTITIONS))
    about = {
        "machine": environment.machine(),
        "workload": environment.workload(records, PARTITIONS),
        "settings": environment.settings(),
    }
    async with start_servers() as servers:
        figures["about"] = {**about, "versions": await environment.versions(servers)}
        mix = await publish_dataset(servers, "mix", records)
        scenarios: dict[str, Callable[[], Awaitable[Any]]] = {
            "speed": lambda: throughput.measure(servers, mix, _ROUNDS, console, peers=peers),
            "latency": lambda: latency.measure(servers, console, full=full),
            "takeover": lambda: takeover.measure(servers, console),
            "suspicions": lambda: suspicions.measure(servers, console),
            "repeats": lambda: repeats.measure(servers, mix, console),
            "mixes": lambda: mixes.measure(servers, console, full=full),
            "memory": lambda: memory.measure(servers, console),
            "growth": lambda: growth.measure(servers, console, full=full),
            "readback": lambda: readback.measure(servers, console, full=full),
            "reread": lambda: reread.measure(servers, console, full=full),
        }
        for name, measure in scenarios.items():
            if name in only:
                figures[name] = await measure()


def _tables(figures: dict[str, Any]) -> list[str]:
    tables = [to_table(figures[name]) for name, to_table in _TABLES.items() if name in figures]
    if figures.keys() >= _TABLES.keys():  # a goal needs the figures of several scenarios
        tables.append(goals.to_table(figures))
    return [*tables, report.environment(figures["about"])]


if __name__ == "__main__":
    main()
