"""Formats the printed tables in Markdown, as in docs/benchmarks.md."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format rows as a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def throughput_table(summaries: Mapping[str, Mapping[str, Any]]) -> str:
    """Format one row for each system: rate, ratio to the ceiling, processor time for each event.

    Args:
        summaries: the figures as `measurement.summarise` returns them, by the name of the row.
    """
    headings = ("", "events/s", "ratio", "least", "most", "client us", "PostgreSQL us", "broker us", "events/commit")
    return table((*headings, "others"), [_throughput_row(name, summary) for name, summary in summaries.items()])


def _throughput_row(name: str, summary: Mapping[str, Any]) -> list[str]:
    return [
        name,
        f"{summary['events_per_s']:,.0f}",
        *(f"{value:.2f}" for value in summary["ratio"].values()),
        *(f"{summary[key]:.1f}" for key in ("client_us", "postgres_us", "kafka_us")),
        f"{summary['events_per_transaction']:,.0f}",
        f"{summary['others_share']:.0%}",
    ]


def environment(about: Mapping[str, Mapping[str, Any]]) -> str:
    """Format the machine, workload, settings and versions, one line for each."""
    return "\n".join(
        f"{heading}: {', '.join(f'{key} {value}' for key, value in _flat(values))}" for heading, values in about.items()
    )


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    nested = [_flat(value) if isinstance(value, Mapping) else [(key, value)] for key, value in values.items()]
    return [pair for pairs in nested for pair in pairs]
