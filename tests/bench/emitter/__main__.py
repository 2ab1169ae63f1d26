"""`python -m tests.bench.emitter`, the second half of `make bench`: run every measurement in rounds, print medians."""

import asyncio
import json
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
from tests.bench import environment
from tests.bench.emitter.targets import TARGETS, TOPIC, message
from tests.bench.processes import run_json_module
from tests.bench.servers import PARTITIONS
from tests.support.servers import LOG_APPEND_TIME, create_topic

_THREADS: Final = 8
_WIDTH: Final = 118


class Measurement(NamedTuple):
    """A program that prints its figures as JSON.

    Attributes:
        table: the title of the table with its figures.
        name: its row.
        module: in this package.
    """

    table: str
    name: str
    module: str
    arguments: Sequence[str]


Result = tuple[Measurement, dict[str, float]]

# Figures by table, row and column.
Figures = Mapping[str, Mapping[str, Mapping[str, float]]]


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option(
    "--events", type=click.IntRange(min=1000), default=40_000, show_default=True, help="Events of a delivery rate."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures of every round here.")
def main(rounds: int, events: int, json_file: Path | None) -> None:
    """Measure what a call of the emitter costs an agent, how fast events are delivered, and the time of the import.

    Starts its own Kafka server.
    """
    console = Console(highlight=False, soft_wrap=True, width=_WIDTH)
    with TemporaryDirectory(prefix="agent-runs-bench-") as directory, Kafka(Path(directory)) as kafka:
        asyncio.run(create_topic(kafka.bootstrap_servers, TOPIC, PARTITIONS, LOG_APPEND_TIME))
        measurements = _measurements(kafka.bootstrap_servers, events)
        results = [_run_round(measurements, number, console) for number in range(rounds)]
    medians = _medians(results)
    _print(console, medians)
    about = {"machine": environment.machine(), "event_bytes": len(message()), "rate_events": events, "rounds": rounds}
    console.print(about)
    if json_file is not None:
        every = [{f"{each.table}: {each.name}": figures for each, figures in of_round} for of_round in results]
        json_file.write_text(json.dumps({**about, "medians": medians, "rounds": every}, indent=2) + "\n")


def _measurements(bootstrap_servers: str, events: int) -> list[Measurement]:
    calls = [
        Measurement(
            f"calls, {threads} {'thread' if threads == 1 else 'threads'}",
            name,
            "call_duration",
            (name, str(threads), bootstrap_servers),
        )
        for threads in (1, _THREADS)
        for name in TARGETS
    ]
    rates = [
        Measurement("rate", name, "delivery_rate", (name, str(events), bootstrap_servers))
        for name in ("aiokafka", "emitter")
    ]
    imports = [Measurement("import", name, "import_time", (name,)) for name in ("msgspec", "agent_runs")]
    return [*calls, *rates, *imports]


def _run_round(measurements: Sequence[Measurement], number: int, console: Console) -> list[Result]:
    """Run every measurement once. Each round starts with another one."""
    first = number * len(measurements) // 3 % len(measurements)
    results = [
        (each, run_json_module(f"tests.bench.emitter.{each.module}", each.arguments))
        for each in (*measurements[first:], *measurements[:first])
    ]
    console.print(f"round {number + 1} is complete")
    return results


def _medians(rounds: Sequence[Sequence[Result]]) -> dict[str, dict[str, dict[str, float]]]:
    values: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for measurement, figures in (result for results in rounds for result in results):
        for figure, value in figures.items():
            values[measurement.table][measurement.name][figure].append(value)
    return {
        table: {name: {figure: median(each) for figure, each in by.items()} for name, by in rows.items()}
        for table, rows in values.items()
    }


def _print(console: Console, figures: Figures) -> None:
    for title, rows in figures.items():
        columns = list(next(iter(rows.values())))
        unit = ", microseconds" if title.startswith("calls") else ""
        table = Table(Column(f"{title}{unit}", no_wrap=True, min_width=34), *columns)
        for name, values in rows.items():
            table.add_row(name, *(f"{values[column]:,.1f}" for column in columns))
        console.print(table)
    console.print(f"rate, emitter to aiokafka: {_ratio(figures['rate'], 'emitter', 'aiokafka'):.2f}")
    console.print(f"import, agent_runs to msgspec: {_ratio(figures['import'], 'agent_runs', 'msgspec'):.2f}")


def _ratio(rows: Mapping[str, Mapping[str, Any]], numerator: str, denominator: str) -> float:
    (figure,) = rows[numerator]
    return float(rows[numerator][figure] / rows[denominator][figure])


if __name__ == "__main__":
    main()
