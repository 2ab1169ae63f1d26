"""The performance goals, and whether the figures meet them."""

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
    """A figure, and the value that it should reach: at least `least`, or under `most`.

    Attributes:
        value: computes the figure from all figures of the run.
    """

    figure: str
    least: float | None
    most: float | None
    value: Callable[[Figures], float]


def to_table(figures: Figures) -> str:
    """One row for each goal. The goals that compare with peers are included only if peers were measured."""
    peers = any(name.startswith("Debezium") for name in figures["speed"]["medians"])
    rows = [_row(goal, goal.value(figures)) for goal in (*_GOALS, *(_PEER_GOALS if peers else ()))]
    return report.table(("figure", "goal", "reached", ""), rows)


def _row(goal: Goal, reached: float) -> list[str]:
    wanted = f"at least {goal.least:g}" if goal.least is not None else f"under {goal.most:g}"
    is_met = reached >= goal.least if goal.least is not None else reached < (goal.most or 0.0)
    return [goal.figure, wanted, f"{reached:.2f}" if reached < 10 else f"{reached:.1f}", "" if is_met else "missed"]


def _ratio(figures: Figures, name: str) -> float:
    """The consumer's events/s divided by those of another system; the median over the rounds."""
    rounds = figures["speed"]["rounds"]
    return float(median(each[_CONSUMER]["events_per_s"] / each[name]["events_per_s"] for each in rounds))


def _fastest_peer(figures: Figures, *, safe: bool) -> str:
    """The name of the fastest peer; if `safe`, among those that survive a repeat within a batch."""
    rates: dict[str, float] = {
        name: summary["events_per_s"]
        for name, summary in figures["speed"]["medians"].items()
        if name.startswith("Debezium") and ("survives" in name or not safe)
    }
    return max(rates, key=lambda name: rates[name])


def _cpu_us(figures: Figures, name: str, *fields: str) -> float:
    """Processor time of a system for each event, in microseconds: the sum of the fields."""
    summary = figures["speed"]["medians"][name]
    return float(sum(summary[field] for field in fields))


def _cpu_to_fastest_peer(figures: Figures, *fields: str) -> float:
    peer = _fastest_peer(figures, safe=False)
    return _cpu_us(figures, _CONSUMER, *fields) / _cpu_us(figures, peer, *fields)


def _latency(figures: Figures, percentile: str) -> float:
    [figure] = [each for each in figures["latency"] if each["events_per_s"] == 1000]
    return float(figure["visible"][percentile])


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
    Goal("publish to visible at 1,000 events/s, p50, ms", None, 15, lambda f: _latency(f, "p50_ms")),
    Goal("publish to visible at 1,000 events/s, p99, ms", None, 60, lambda f: _latency(f, "p99_ms")),
    Goal("resident memory, longest backlog, MiB", None, 150, lambda f: float(f["growth"]["memory_mib"])),
    Goal("resident memory, messages of 1 MB, MiB", None, 350, lambda f: float(f["memory"]["memory_mib"])),
)
_PEER_GOALS: Final = (
    Goal("events/s, ratio to the fastest peer", 1.5, None, lambda f: _ratio(f, _fastest_peer(f, safe=False))),
    Goal(
        "events/s, ratio to the fastest peer that survives repeats",
        2.5,
        None,
        lambda f: _ratio(f, _fastest_peer(f, safe=True)),
    ),
    Goal(
        "processor time of the program, ratio to the fastest peer",
        None,
        0.5,
        lambda f: _cpu_to_fastest_peer(f, "client_us"),
    ),
    Goal(
        "processor time with PostgreSQL and Kafka, ratio to the fastest peer",
        None,
        0.5,
        lambda f: _cpu_to_fastest_peer(f, *_ALL_CPU),
    ),
)
