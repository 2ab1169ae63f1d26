"""What a person reads at the end, and what a program may read."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from tests.bench.contestants import CEILING, Contestant
from tests.bench.cpu import Ended
from tests.bench.rounds import Round, ratio


def summarise(contestants: Sequence[Contestant], rounds: Sequence[Round], idle: Ended, events: int) -> dict[str, Any]:
    """Medians over the rounds, by contestant. The consumer's start and stop are taken off its processor time."""
    return {
        one.name: _summary(one.name, rounds, 0.0 if one.name == CEILING else idle.cpu_s, events) for one in contestants
    }


def _summary(name: str, rounds: Sequence[Round], idle_cpu_s: float, events: int) -> dict[str, Any]:
    results = [results[name] for results in rounds]
    return {
        "events_per_s": round(median(result.events_per_s for result in results)),
        "ratio": ratio(rounds, name)._asdict(),
        "client_cpu_us": (median(result.client_cpu_s for result in results) - idle_cpu_s) / events * 1e6,
        "server_cpu_us": median(result.server_cpu_s for result in results) / events * 1e6,
        "events_per_transaction": round(median(result.events_per_transaction for result in results)),
        "wall_s": median(result.wall_s for result in results),
        "others_share": median(result.others_share for result in results),
    }


def tell(console: Console, summaries: Mapping[str, Mapping[str, Any]], idle: Ended, facts: Mapping[str, Any]) -> None:
    """The table, and under it what it depends on."""
    headings = ("ratio", "least", "most", "client us", "server us", "events/commit", "whole s", "others")
    table = Table(Column("", no_wrap=True), "events/s", *headings)
    for name, summary in summaries.items():
        ratios = [f"{value:.2f}" for value in summary["ratio"].values()]
        costs = [f"{summary[key]:.1f}" for key in ("client_cpu_us", "server_cpu_us")]
        rest = (f"{summary['events_per_transaction']:,}", f"{summary['wall_s']:.1f}", f"{summary['others_share']:.0%}")
        table.add_row(name, f"{summary['events_per_s']:,}", *ratios, *costs, *rest)
    console.print(table)
    console.print(f"The consumer's start and stop: {idle.wall_s:.1f} s, {idle.cpu_s:.1f} s of processor time.")
    for heading, values in facts.items():
        console.print(f"{heading}: {', '.join(f'{key} {value}' for key, value in _flat(values))}")


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    nested = [_flat(value) if isinstance(value, Mapping) else [(key, value)] for key, value in values.items()]
    return [pair for pairs in nested for pair in pairs]
