"""What a person reads at the end: tables in Markdown, as docs/benchmarks.md has them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column has the names of the rows."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def speeds(summaries: Mapping[str, Mapping[str, Any]]) -> str:
    """How fast, how near to the ceiling, and what it takes of the processors."""
    headings = ("", "events/s", "ratio", "least", "most", "client us", "PostgreSQL us", "broker us", "events/commit")
    return table((*headings, "others"), [_speed(name, summary) for name, summary in summaries.items()])


def _speed(name: str, summary: Mapping[str, Any]) -> list[str]:
    return [
        name,
        f"{summary['events_per_s']:,.0f}",
        *(f"{value:.2f}" for value in summary["ratio"].values()),
        *(f"{summary[key]:.1f}" for key in ("client_us", "postgres_us", "kafka_us")),
        f"{summary['events_per_transaction']:,.0f}",
        f"{summary['others_share']:.0%}",
    ]


def facts(about: Mapping[str, Mapping[str, Any]]) -> str:
    """What the figures depend on, a line for each heading."""
    return "\n".join(
        f"{heading}: {', '.join(f'{key} {value}' for key, value in _flat(values))}" for heading, values in about.items()
    )


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    nested = [_flat(value) if isinstance(value, Mapping) else [(key, value)] for key, value in values.items()]
    return [pair for pairs in nested for pair in pairs]
