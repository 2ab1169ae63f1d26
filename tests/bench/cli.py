"""The benchmark as a table of contents: servers, then each scenario, then what became of the goals."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from tests.bench import facts, goals, report
from tests.bench.placement import place
from tests.bench.scenarios import growth, latency, memory, mixes, repeats, speed
from tests.bench.stage import PARTITIONS, load, open_stage
from tests.bench.workload import messages

_SEED: Final = 1
_SHORT: Final = 200_000
_FULL: Final = 400_000  # so many that a JVM has compiled what it will
_ROUNDS: Final = 3


@click.command()
@click.option("--full", is_flag=True, help="At full length: ten million events in the largest table.")
@click.option("--peers", is_flag=True, help="Also programs of others; see `make bench-peers`.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures here.")
def main(full: bool, peers: bool, json_file: Path | None) -> None:
    """Measure the consumer beside a COPY of rows that are ready, on Kafka and PostgreSQL servers of its own.

    Settings of the consumer come from the environment, as ever.
    """
    console = Console(highlight=False, soft_wrap=True)
    figures: dict[str, Any] = {}
    try:
        asyncio.run(_measure(figures, console, full=full, peers=peers))
    finally:  # an hour's figures are not lost with the last one
        if json_file is not None:
            json_file.write_text(json.dumps(figures, indent=2) + "\n")
    console.print("\n\n".join(_report(figures)))


async def _measure(figures: dict[str, Any], console: Console, *, full: bool, peers: bool) -> None:
    events = _FULL if full else _SHORT
    console.print(f"Making {events:,} events")
    placed = list(place(messages(_SEED, events), PARTITIONS))
    about = {"machine": facts.machine(), "workload": facts.workload(placed, PARTITIONS), "settings": facts.settings()}
    async with open_stage() as stage:
        figures["about"] = {**about, "versions": await facts.versions(stage)}
        mix = await load(stage, "mix", placed)
        figures["speed"] = await speed.measure(stage, mix, _ROUNDS, console, peers=peers)
        figures["latency"] = await latency.measure(stage, console, full=full)
        figures["repeats"] = await repeats.measure(stage, mix, console)
        figures["mixes"] = await mixes.measure(stage, console, full=full)
        figures["memory"] = await memory.measure(stage, console)
        figures["growth"] = await growth.measure(stage, console, full=full)


def _report(figures: dict[str, Any]) -> list[str]:
    return [
        speed.show(figures["speed"]),
        latency.show(figures["latency"]),
        repeats.show(figures["repeats"]),
        mixes.show(figures["mixes"]),
        memory.show(figures["memory"]),
        growth.show(figures["growth"]),
        goals.show(figures),
        report.facts(figures["about"]),
    ]
