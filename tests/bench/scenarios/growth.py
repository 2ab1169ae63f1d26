"""Stores a long backlog: compares the rate of the last events with that of the first, and measures the memory."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, Final

from rich.console import Console

from tests.bench import report
from tests.bench.database import Transaction, check_stored, fresh_database
from tests.bench.records import plan_records
from tests.bench.servers import PARTITIONS, Servers, temporary_topic
from tests.bench.systems import run_consumer
from tests.bench.workload import Message, messages, with_new_ids

_SEED: Final = 3
_BASE: Final = 100_000  # generated messages; all others are copies with new ids
_TOPIC: Final = "growth"
_SHARE: Final = 0.1


async def measure(servers: Servers, console: Console, *, full: bool) -> dict[str, Any]:
    """Return the rates of the first and the last tenth of the events, the memory, and the size of the table."""
    events = 10_000_000 if full else 1_000_000
    console.print(f"Publishing {events:,} events")
    async with (
        temporary_topic(servers, _TOPIC, plan_records(copied_messages(events, _SEED), PARTITIONS)),
        fresh_database(servers.template) as database,
    ):
        console.print(f"Storing {events:,} events")
        [usage] = await run_consumer(servers, database, _TOPIC)
        transactions = await database.transactions("run_events")
        [(size_bytes,)] = await database.fetch("table_size")
    check_stored("the consumer", sum(transaction.events for transaction in transactions), events)
    first, last = first_and_last_rate(transactions)
    return {
        "events": events,
        "first_events_per_s": first,
        "last_events_per_s": last,
        "ratio": last / first,
        "memory_mib": usage.memory_mib,
        "size_gb": size_bytes / 1e9,
        "cpu_us": usage.cpu_s / events * 1e6,
    }


def copied_messages(count: int, seed: int) -> Iterator[Message]:
    """Yield messages of the standard workload, 100,000 of them generated and the others copied with new ids."""
    base = messages(seed, _BASE)
    return chain.from_iterable(with_new_ids(base, seed + number) for number in range(count // _BASE))


def first_and_last_rate(transactions: Sequence[Transaction]) -> tuple[float, float]:
    """Return the events/s of the first tenth of the events and of the last tenth.

    Measured from commit to commit, without the first transaction, because its start is unknown.
    """
    total = sum(transaction.events for transaction in transactions)
    steps = [(after.committed_at_s - before.committed_at_s, after.events) for before, after in pairwise(transactions)]
    return _rate(steps, total), _rate(reversed(steps), total)


def _rate(steps: Iterable[tuple[float, int]], total: int) -> float:
    seconds, stored = 0.0, 0
    for step_s, events in steps:
        seconds += step_s
        stored += events
        if stored >= _SHARE * total:
            return stored / seconds
    raise RuntimeError("too few transactions to compute a rate; use more events")


def to_table(figures: dict[str, Any]) -> str:
    """Format the figures as a table with one row."""
    headings = ("events", "table, GB", "first tenth, events/s", "last tenth, events/s", "ratio", "memory, MiB")
    rates = [f"{figures[key]:,.0f}" for key in ("first_events_per_s", "last_events_per_s")]
    cells = [f"{figures['events']:,}", f"{figures['size_gb']:.1f}", *rates, f"{figures['ratio']:.2f}"]
    return report.table(headings, [(*cells, f"{figures['memory_mib']:.0f}")])
