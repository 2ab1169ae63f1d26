"""A table that grows: how fast its last events are stored, beside its first; what a long backlog takes of memory."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, Final

from rich.console import Console

from tests.bench import report
from tests.bench.contestants import consume
from tests.bench.placement import place
from tests.bench.stage import PARTITIONS, Stage, published
from tests.bench.tables import Committed, check_stored, fresh_tables
from tests.bench.workload import Message, messages, with_new_ids

_SEED: Final = 3
_BASE: Final = 100_000
_TOPIC: Final = "growth"
_SHARE: Final = 0.1


async def measure(stage: Stage, console: Console, *, full: bool) -> dict[str, Any]:
    """The rate of the last tenth of the events, and of the first."""
    events = 10_000_000 if full else 1_000_000
    console.print(f"Publishing {events:,} events")
    async with (
        published(stage, _TOPIC, place(_messages(events), PARTITIONS)),
        fresh_tables(stage.template) as tables,
    ):
        console.print("Storing them")
        [ended] = await consume(stage, tables, _TOPIC)
        transactions = await tables.transactions("run_events")
        [(size_bytes,)] = await tables.fetch("table_size")
    check_stored("the consumer", sum(transaction.events for transaction in transactions), events)
    first, last = rates(transactions)
    return {
        "events": events,
        "first_events_per_s": first,
        "last_events_per_s": last,
        "ratio": last / first,
        "memory_mib": ended.memory_mib,
        "size_gb": size_bytes / 1e9,
        "cpu_us": ended.cpu_s / events * 1e6,
    }


def _messages(count: int) -> Iterator[Message]:
    base = messages(_SEED, _BASE)
    return chain.from_iterable(with_new_ids(base, _SEED + number) for number in range(count // _BASE))


def rates(transactions: Sequence[Committed]) -> tuple[float, float]:
    """Events a second of the first tenth and of the last; from the first commit, for nobody saw that one begin."""
    total = sum(transaction.events for transaction in transactions)
    steps = [(after.at_s - before.at_s, after.events) for before, after in pairwise(transactions)]
    return _rate(steps, total), _rate(reversed(steps), total)


def _rate(steps: Iterable[tuple[float, int]], total: int) -> float:
    seconds, stored = 0.0, 0
    for step_s, events in steps:
        seconds += step_s
        stored += events
        if stored >= _SHARE * total:
            return stored / seconds
    raise RuntimeError("too few transactions to tell how fast they were")


def show(figures: dict[str, Any]) -> str:
    """One line."""
    headings = ("events", "table, GB", "first tenth, events/s", "last tenth, events/s", "ratio", "memory, MiB")
    rates = [f"{figures[key]:,.0f}" for key in ("first_events_per_s", "last_events_per_s")]
    cells = [f"{figures['events']:,}", f"{figures['size_gb']:.1f}", *rates, f"{figures['ratio']:.2f}"]
    return report.table(headings, [(*cells, f"{figures['memory_mib']:.0f}")])
