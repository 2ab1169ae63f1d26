"""What we want to reach, and what was reached."""

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, Final, NamedTuple

from tests.bench import report
from tests.bench.contestants import CEILING

_OURS: Final = "consumer, 2 lanes"


class Goal(NamedTuple):
    """A figure that should be at least, or at most, so much."""

    what: str
    least: float | None
    most: float | None
    figure: Callable[[Mapping[str, Any]], float]


def show(figures: Mapping[str, Any]) -> str:
    """A line for each goal; of peers only when they were measured."""
    peers = any(name.startswith("Debezium") for name in figures["speed"]["medians"])
    rows = [_row(goal, goal.figure(figures)) for goal in (*_GOALS, *(_BESIDE_PEERS if peers else ()))]
    return report.table(("goal", "", "reached", ""), rows)


def _row(goal: Goal, reached: float) -> list[str]:
    wanted = f"at least {goal.least:g}" if goal.least is not None else f"under {goal.most:g}"
    is_met = reached >= goal.least if goal.least is not None else reached < (goal.most or 0.0)
    return [goal.what, wanted, f"{reached:.2f}" if reached < 10 else f"{reached:.1f}", "" if is_met else "missed"]


def _speed(figures: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = figures["speed"]["medians"][name]
    return found


def _to(figures: Mapping[str, Any], name: str) -> float:
    """Our rate to that of another; median of the rounds."""
    rounds = figures["speed"]["rounds"]
    return float(median(each[_OURS]["events_per_s"] / each[name]["events_per_s"] for each in rounds))


def _fastest(figures: Mapping[str, Any], *, safe: bool) -> str:
    rates: dict[str, float] = {
        name: summary["events_per_s"]
        for name, summary in figures["speed"]["medians"].items()
        if name.startswith("Debezium") and ("survives" in name or not safe)
    }
    return max(rates, key=lambda name: rates[name])


def _cpu(figures: Mapping[str, Any], name: str, *clocks: str) -> float:
    summary = _speed(figures, name)
    return float(sum(summary[clock] for clock in clocks))


def _latency(figures: Mapping[str, Any], percentile: str) -> float:
    [figure] = [each for each in figures["latency"] if each["events_per_s"] == 1000]
    return float(figure["visible"][percentile])


_ALL_CLOCKS: Final = ("client_us", "postgres_us", "kafka_us")
_GOALS: Final = (
    Goal("end to end, to the ceiling over one connection", 0.9, None, lambda f: _to(f, CEILING)),
    Goal("to the original design", 50, None, lambda f: _to(f, "original design")),
    Goal("two processes of one lane, to one of two", 1, None, lambda f: 1 / _to(f, "consumer, 2 processes, 1 lane")),
    Goal("Python's processor time an event, us", None, 9, lambda f: _cpu(f, _OURS, "client_us")),
    Goal("everything a repeat, to the first time", 1, None, lambda f: float(f["repeats"]["ratio"])),
    Goal("last tenth of the largest table, to the first", 0.85, None, lambda f: float(f["growth"]["ratio"])),
    Goal("publish to visible at 1,000 events/s, p50, ms", None, 15, lambda f: _latency(f, "p50_ms")),
    Goal("publish to visible at 1,000 events/s, p99, ms", None, 60, lambda f: _latency(f, "p99_ms")),
    Goal("resident memory, the longest backlog, MiB", None, 150, lambda f: float(f["growth"]["memory_mib"])),
    Goal("resident memory, messages of 1 MB, MiB", None, 350, lambda f: float(f["memory"]["memory_mib"])),
)
_BESIDE_PEERS: Final = (
    Goal("to the fastest peer", 1.5, None, lambda f: _to(f, _fastest(f, safe=False))),
    Goal("to the fastest peer that survives repeats", 2.5, None, lambda f: _to(f, _fastest(f, safe=True))),
    Goal(
        "processor time of the program, to that of the fastest peer",
        None,
        0.5,
        lambda f: _cpu(f, _OURS, "client_us") / _cpu(f, _fastest(f, safe=False), "client_us"),
    ),
    Goal(
        "processor time with PostgreSQL and Kafka, to that of the fastest peer",
        None,
        0.5,
        lambda f: _cpu(f, _OURS, *_ALL_CLOCKS) / _cpu(f, _fastest(f, safe=False), *_ALL_CLOCKS),
    ),
)
