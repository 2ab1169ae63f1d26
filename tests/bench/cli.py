"""The benchmark as a table of contents: servers, then each scenario, then the report."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tests.bench import facts, report
from tests.bench.contestants import ceiling, consumer
from tests.bench.placement import place
from tests.bench.rounds import play, summarise
from tests.bench.stage import PARTITIONS, load, open_stage
from tests.bench.workload import messages

_SEED = 1


@click.command()
@click.option("--events", type=click.IntRange(min=50_000), default=200_000, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="After one to warm up.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures of every round here.")
def main(events: int, rounds: int, json_file: Path | None) -> None:
    """Measure the consumer beside a COPY of rows that are ready, on Kafka and PostgreSQL servers of its own.

    Settings of the consumer come from the environment, as ever.
    """
    console = Console(highlight=False, soft_wrap=True)
    result = asyncio.run(_measure(events, rounds, console))
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=2) + "\n")


async def _measure(events: int, rounds: int, console: Console) -> dict[str, Any]:
    console.print(f"Making {events:,} events")
    placed = place(messages(_SEED, events), PARTITIONS)
    about = {"machine": facts.machine(), "workload": facts.workload(placed, PARTITIONS), "settings": facts.settings()}
    async with open_stage() as stage:
        about["versions"] = await facts.versions(stage)
        mix = await load(stage, "mix", placed)
        contestants = [ceiling(mix), ceiling(mix, 2), consumer(stage, mix, 1), consumer(stage, mix, 2)]
        contestants.append(consumer(stage, mix, 1, processes=2))
        played = await play(contestants, stage, rounds, console)
    summaries = summarise(contestants, played)
    console.print(report.speeds(summaries))
    console.print(report.facts(about))
    every = [{name: result._asdict() for name, result in results.items()} for results in played]
    return {**about, "medians": summaries, "rounds": every}
