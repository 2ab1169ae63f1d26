"""`python -m tests.bench.emitter`, the second half of `make bench`: runs measurements in rounds, prints medians."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import click
from rich.console import Console
from rich.table import Column, Table

from deploy.local import Kafka
from tests.bench import environment
from tests.bench.emitter.rare_values import CASES
from tests.bench.emitter.targets import TARGETS, TOPIC, message
from tests.bench.processes import run_json_module
from tests.bench.servers import PARTITIONS
from tests.support.servers import LOG_APPEND_TIME, create_topic

_THREADS: Final = 8
_WIDTH: Final = 118


class Measurement(NamedTuple):
    """A program that prints its figures as JSON.

    Attributes:
        table: the title of the printed table that contains the figures.
        name: the name of the row.
        module: the name of the program's module in this package.
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
    "--events",
    type=click.IntRange(min=1000),
    default=40_000,
    show_default=True,
    help="Number of events for a delivery rate.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures as JSON to this file.")
def main(rounds: int, events: int, json_file: Path | None) -> None:
    """Measure the duration of an emitter's call, with common and rare values, the rate of delivery, and the import.

    Starts its own Kafka server.
    """
    console = Console(highlight=False, soft_wrap=True, width=_WIDTH)
    machine = environment.machine()  # before the rounds, for its load average
    with TemporaryDirectory(prefix="agent-runs-bench-") as directory, Kafka(Path(directory)) as kafka:
        asyncio.run(create_topic(kafka.bootstrap_servers, TOPIC, PARTITIONS, LOG_APPEND_TIME))
        measurements = _measurements(kafka.bootstrap_servers, events)
        results = [_run_round(measurements, number, console) for number in range(rounds)]
    medians = _medians(results)
    _print(console, medians)
    about = {"machine": machine, "event_bytes": len(message()), "rate_events": events, "rounds": rounds}
    console.print(about)
    if json_file is not None:
        rounds_by_name = [
            {f"{measurement.table}: {measurement.name}": figures for measurement, figures in round_results}
            for round_results in results
        ]
        json_file.write_text(json.dumps({**about, "medians": medians, "rounds": rounds_by_name}, indent=2) + "\n")


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
    rare = [Measurement("calls with rare values, and without", name, "rare_values", (name,)) for name in CASES]
    return [*calls, *rare, *rates, *imports]


def _run_round(measurements: Sequence[Measurement], number: int, console: Console) -> list[Result]:
    """Run every measurement once. From round to round, the list is rotated by a third."""
    first = number * len(measurements) // 3 % len(measurements)
    results = [
        (measurement, run_json_module(f"tests.bench.emitter.{measurement.module}", measurement.arguments))
        for measurement in (*measurements[first:], *measurements[:first])
    ]
    console.print(f"round {number + 1} is complete")
    return results


def _medians(results: Sequence[Sequence[Result]]) -> dict[str, dict[str, dict[str, float]]]:
    values: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for measurement, figures in chain.from_iterable(results):
        for figure, value in figures.items():
            values[measurement.table][measurement.name][figure].append(value)
    return {
        table: {name: {figure: median(rounds) for figure, rounds in row.items()} for name, row in rows.items()}
        for table, rows in values.items()
    }


def _print(console: Console, figures: Figures) -> None:
    for title, rows in figures.items():
        columns = list(next(iter(rows.values())))
        unit = ", microseconds" if title.startswith("calls") else ""
        table = Table(Column(f"{title}{unit}", no_wrap=True, min_width=42), *columns)
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
