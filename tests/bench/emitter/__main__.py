"""`python -m tests.bench.emitter`, the second half of `make bench`: contestants in turns, medians of the rounds."""

import asyncio
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import click
from rich.console import Console
from rich.table import Column, Table

from deploy.local import Kafka
from tests.bench import facts
from tests.bench.emitter.callers import CALLERS, TOPIC, message
from tests.support.servers import LOG_APPEND_TIME, create_topic
from tests.support.servers.databases import CHECKOUT

_THREADS: Final = 8
_PARTITIONS: Final = 12
_WIDTH: Final = 118


class Contestant(NamedTuple):
    """A program that prints its figures, run in turn with the others."""

    table: str
    name: str
    command: Sequence[str]


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--events", type=click.IntRange(min=1000), default=40_000, show_default=True, help="For the rates.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures of every round here.")
def main(rounds: int, events: int, json_file: Path | None) -> None:
    """Measure what an agent pays, and what arrives, on a Kafka server of its own."""
    console = Console(highlight=False, soft_wrap=True, width=_WIDTH)
    with TemporaryDirectory(prefix="agent-runs-bench-") as directory, Kafka(Path(directory)) as kafka:
        asyncio.run(create_topic(kafka.bootstrap_servers, TOPIC, _PARTITIONS, LOG_APPEND_TIME))
        contestants = _contestants(kafka.bootstrap_servers, events)
        played = [_play(contestants, number, console) for number in range(rounds)]
    figures = _medians(played)
    _tell(console, figures)
    about = {"machine": facts.machine(), "event_bytes": len(message()), "rate_events": events, "rounds": rounds}
    console.print(about)
    if json_file is not None:
        every = [{f"{one.table}: {one.name}": result for one, result in results} for results in played]
        json_file.write_text(json.dumps({**about, "medians": figures, "rounds": every}, indent=2) + "\n")


def _contestants(bootstrap_servers: str, events: int) -> list[Contestant]:
    calls = [
        Contestant(f"calls, {threads} {'thread' if threads == 1 else 'threads'}", name, ("calls", name, str(threads)))
        for threads in (1, _THREADS)
        for name in CALLERS
    ]
    rates = [Contestant("rate", name, ("rates", name, str(events))) for name in ("aiokafka", "emitter")]
    reached = [Contestant(one.table, one.name, (*one.command, bootstrap_servers)) for one in (*calls, *rates)]
    return [*reached, *(Contestant("import", name, ("imports", name)) for name in ("msgspec", "agent_runs"))]


Result = tuple[Contestant, dict[str, float]]


def _play(contestants: Sequence[Contestant], number: int, console: Console) -> list[Result]:
    """One round; each begins with another contestant."""
    turn = number * len(contestants) // 3 % len(contestants)
    results = [(one, _run(one)) for one in (*contestants[turn:], *contestants[:turn])]
    console.print(f"round {number + 1} is over")
    return results


def _run(contestant: Contestant) -> dict[str, float]:
    program, *arguments = contestant.command
    command = [sys.executable, "-m", f"tests.bench.emitter.{program}", *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _medians(played: Sequence[Sequence[Result]]) -> dict[str, dict[str, dict[str, float]]]:
    """By table, contestant and figure, in the order of the tables."""
    values: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for one, result in (pair for results in played for pair in results):
        for figure, value in result.items():
            values[one.table][one.name][figure].append(value)
    return {
        table: {name: {figure: median(each) for figure, each in by.items()} for name, by in rows.items()}
        for table, rows in values.items()
    }


def _tell(console: Console, figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    for title, rows in figures.items():
        columns = list(next(iter(rows.values())))
        unit = ", microseconds" if title.startswith("calls") else ""
        table = Table(Column(f"{title}{unit}", no_wrap=True, min_width=34), *columns)
        for name, values in rows.items():
            table.add_row(name, *(f"{values[column]:,.1f}" for column in columns))
        console.print(table)
    console.print(f"rate, emitter to aiokafka: {_ratio(figures['rate'], 'emitter', 'aiokafka'):.2f}")
    console.print(f"import, agent_runs to msgspec: {_ratio(figures['import'], 'agent_runs', 'msgspec'):.2f}")


def _ratio(rows: Mapping[str, Mapping[str, Any]], one: str, other: str) -> float:
    (figure,) = rows[one]
    return float(rows[one][figure] / rows[other][figure])


if __name__ == "__main__":
    main()
