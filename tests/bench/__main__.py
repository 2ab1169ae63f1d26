"""`python -m tests.bench`, which `make bench` runs: starts the servers, runs each scenario, prints the tables."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from tests.bench import environment, goals, report
from tests.bench.records import plan_records
from tests.bench.scenarios import growth, latency, memory, mixes, repeats, takeover, throughput
from tests.bench.servers import PARTITIONS, publish_dataset, start_servers
from tests.bench.workload import messages

_SEED: Final = 1
_SHORT: Final = 200_000
_FULL: Final = 400_000  # enough for a JVM to compile its hot code
_ROUNDS: Final = 3


@click.command()
@click.option("--full", is_flag=True, help="Run at full length, with ten million events in the largest table.")
@click.option("--peers", is_flag=True, help="Also measure other programs; `make bench-peers` installs them.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures as JSON to this file.")
def main(full: bool, peers: bool, json_file: Path | None) -> None:
    """Measure the consumer, and compare it with a COPY of prepared rows.

    Starts its own Kafka and PostgreSQL servers. AGENT_RUNS_* variables apply to the consumer, except those that a
    scenario sets.
    """
    console = Console(highlight=False, soft_wrap=True)
    figures: dict[str, Any] = {}
    try:
        asyncio.run(_measure(figures, console, full=full, peers=peers))
    finally:  # if a scenario fails, the figures of the scenarios before it are still written
        if json_file is not None:
            json_file.write_text(json.dumps(figures, indent=2) + "\n")
    console.print("\n\n".join(_tables(figures)))


async def _measure(figures: dict[str, Any], console: Console, *, full: bool, peers: bool) -> None:
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
        figures["speed"] = await throughput.measure(servers, mix, _ROUNDS, console, peers=peers)
        figures["latency"] = await latency.measure(servers, console, full=full)
        figures["takeover"] = await takeover.measure(servers, console)
        figures["repeats"] = await repeats.measure(servers, mix, console)
        figures["mixes"] = await mixes.measure(servers, console, full=full)
        figures["memory"] = await memory.measure(servers, console)
        figures["growth"] = await growth.measure(servers, console, full=full)


def _tables(figures: dict[str, Any]) -> list[str]:
    return [
        throughput.to_table(figures["speed"]),
        latency.to_table(figures["latency"]),
        takeover.to_table(figures["takeover"]),
        repeats.to_table(figures["repeats"]),
        mixes.to_table(figures["mixes"]),
        memory.to_table(figures["memory"]),
        growth.to_table(figures["growth"]),
        goals.to_table(figures),
        report.environment(figures["about"]),
    ]


if __name__ == "__main__":
    main()
