"""Defines the performance goals, and compares the figures with them."""

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, Final, NamedTuple

from tests.bench import report
from tests.bench.measurement import CEILING

_CONSUMER: Final = "consumer, 2 lanes"
_ALL_CPU: Final = ("client_us", "postgres_us", "kafka_us")

# All figures of a run of the benchmark, by scenario.
Figures = Mapping[str, Any]


class Goal(NamedTuple):
    """A figure and its goal, which is either at least `least` or under `most`.

    Attributes:
        value: computes the figure from all figures of the run.
    """

    figure: str
    least: float | None
    most: float | None
    value: Callable[[Figures], float]


def to_table(figures: Figures) -> str:
    """Format one row for each goal. Goals that compare with Debezium are included only if Debezium was measured."""
    has_debezium = any(name.startswith("Debezium") for name in figures["speed"]["medians"])
    rows = [_row(goal, goal.value(figures)) for goal in (*_GOALS, *(_DEBEZIUM_GOALS if has_debezium else ()))]
    return report.table(("figure", "goal", "reached", ""), rows)


def _row(goal: Goal, reached: float) -> list[str]:
    limit = f"at least {goal.least:g}" if goal.least is not None else f"under {goal.most:g}"
    is_met = reached >= goal.least if goal.least is not None else reached < (goal.most or 0.0)
    return [goal.figure, limit, f"{reached:.2f}" if reached < 10 else f"{reached:.1f}", "" if is_met else "missed"]


def _ratio(figures: Figures, name: str) -> float:
    """Return the consumer's events/s divided by those of another system, as the median over the rounds."""
    rounds = figures["speed"]["rounds"]
    return float(median(results[_CONSUMER]["events_per_s"] / results[name]["events_per_s"] for results in rounds))


def _fastest_debezium(figures: Figures, *, safe: bool) -> str:
    """Return the name of the fastest Debezium configuration.

    Args:
        safe: consider only the configurations that survive a repeat within a batch.
    """
    rates: dict[str, float] = {
        name: summary["events_per_s"]
        for name, summary in figures["speed"]["medians"].items()
        if name.startswith("Debezium") and ("survives" in name or not safe)
    }
    return max(rates, key=lambda name: rates[name])


def _cpu_us(figures: Figures, name: str, *fields: str) -> float:
    """Return the sum of the fields, which are processor times of a system for each event, in microseconds."""
    summary = figures["speed"]["medians"][name]
    return float(sum(summary[field] for field in fields))


def _cpu_to_fastest_debezium(figures: Figures, *fields: str) -> float:
    fastest = _fastest_debezium(figures, safe=False)
    return _cpu_us(figures, _CONSUMER, *fields) / _cpu_us(figures, fastest, *fields)


def _latency(figures: Figures, rate: int, percentile: str) -> float:
    """Return a percentile of the times from publish to visible at a rate in events/s."""
    [at_rate] = [figure for figure in figures["latency"] if figure["events_per_s"] == rate]
    return float(at_rate["visible"][percentile])


_GOALS: Final = (
    Goal("events/s, ratio to the ceiling over one connection", 0.9, None, lambda f: _ratio(f, CEILING)),
    Goal("events/s, ratio to the original design", 50, None, lambda f: _ratio(f, "original design")),
    Goal(
        "events/s, ratio of two processes with one lane each to one process with two lanes",
        1,
        None,
        lambda f: 1 / _ratio(f, "consumer, 2 processes, 1 lane"),
    ),
    Goal("processor time of the consumer per event, us", None, 9, lambda f: _cpu_us(f, _CONSUMER, "client_us")),
    Goal("events/s, ratio of repeats to the first time", 1, None, lambda f: float(f["repeats"]["ratio"])),
    Goal(
        "events/s, ratio of the last tenth of the largest table to the first",
        0.85,
        None,
        lambda f: float(f["growth"]["ratio"]),
    ),
    Goal("publish to visible at 1,000 events/s, p50, ms", None, 8, lambda f: _latency(f, 1_000, "p50_ms")),
    Goal("publish to visible at 1,000 events/s, p99, ms", None, 20, lambda f: _latency(f, 1_000, "p99_ms")),
    Goal("publish to visible at 10,000 events/s, p99, ms", None, 60, lambda f: _latency(f, 10_000, "p99_ms")),
    Goal("resident memory, longest backlog, MiB", None, 150, lambda f: float(f["growth"]["memory_mib"])),
    Goal("resident memory, messages of 1 MB, MiB", None, 350, lambda f: float(f["memory"]["memory_mib"])),
)
_DEBEZIUM_GOALS: Final = (
    Goal(
        "events/s, ratio to the fastest Debezium configuration",
        1.5,
        None,
        lambda f: _ratio(f, _fastest_debezium(f, safe=False)),
    ),
    Goal(
        "events/s, ratio to the fastest Debezium configuration that survives repeats",
        2.5,
        None,
        lambda f: _ratio(f, _fastest_debezium(f, safe=True)),
    ),
    Goal(
        "processor time of the program, ratio to the fastest Debezium configuration",
        None,
        0.5,
        lambda f: _cpu_to_fastest_debezium(f, "client_us"),
    ),
    Goal(
        "processor time with PostgreSQL and Kafka, ratio to the fastest Debezium configuration",
        None,
        0.5,
        lambda f: _cpu_to_fastest_debezium(f, *_ALL_CPU),
    ),
)
