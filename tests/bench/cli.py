"""The benchmark as a table of contents: servers, events, rounds, report."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
from rich.console import Console

from deploy.local import Kafka, PostgreSQL
from tests.bench import facts, report
from tests.bench.contestants import Stage, ceiling, consumer, idle
from tests.bench.placement import Placed, place
from tests.bench.rounds import play
from tests.bench.topic import make_topics
from tests.bench.workload import messages
from tests.servers import TemplateDatabase

_SEED: Final = 1
_WIDTH: Final = 118

# Commit times, to the microsecond and from the database itself: nobody has to poll while the clock runs.
_SETTINGS: Final = {"track_commit_timestamp": "on"}


@click.command()
@click.option("--events", type=click.IntRange(min=20_000), default=100_000, show_default=True)
@click.option("--partitions", type=click.IntRange(min=1), default=12, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="After one to warm up.")
@click.option("--lanes", type=click.IntRange(min=1), multiple=True, default=(1, 2), show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures of every round here.")
def main(events: int, partitions: int, rounds: int, lanes: tuple[int, ...], json_file: Path | None) -> None:
    """Measure the consumer beside a COPY of rows that are ready, on Kafka and PostgreSQL servers of its own.

    Other settings of the consumer come from the environment, as ever.
    """
    console = Console(highlight=False, soft_wrap=True, width=_WIDTH)
    console.print(f"Making {events:,} events")
    placed = place(messages(_SEED, events), partitions)
    result = asyncio.run(_measure(placed, partitions, rounds, lanes, console))
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=2) + "\n")


async def _measure(
    placed: list[Placed], partitions: int, rounds: int, lanes: tuple[int, ...], console: Console
) -> dict[str, Any]:
    about = {"machine": facts.machine(), "workload": facts.workload(placed, partitions), "settings": facts.settings()}
    async with _stage(placed, partitions, console) as stage:
        contestants = [ceiling(placed), *(consumer(stage, number) for number in lanes)]
        played = await play(contestants, stage, len(placed), rounds, console)
        resting = await idle(stage)
        about["versions"] = await facts.versions(stage)
    summaries = report.summarise(contestants, played, resting, len(placed))
    report.tell(console, summaries, resting, about)
    every = [{name: result._asdict() for name, result in results.items()} for results in played]
    return {**about, "idle": resting._asdict(), "medians": summaries, "rounds": every}


@asynccontextmanager
async def _stage(placed: list[Placed], partitions: int, console: Console) -> AsyncIterator[Stage]:
    """Servers that wait for the disk as in production, the full topic, a migrated template."""
    console.print("Starting Kafka and PostgreSQL, filling the topic")
    with ExitStack() as opened:
        directory = Path(opened.enter_context(TemporaryDirectory(prefix="agent-runs-bench-")))
        kafka = opened.enter_context(Kafka(directory / "kafka"))
        postgres = opened.enter_context(PostgreSQL(directory / "postgresql", settings=_SETTINGS))
        await make_topics(kafka.bootstrap_servers, partitions, placed)
        template = await TemplateDatabase.create(postgres.url)
        assert kafka.pid is not None
        assert postgres.pid is not None
        yield Stage(kafka.bootstrap_servers, kafka.pid, postgres.pid, template)
