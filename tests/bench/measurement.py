"""Measures a system: once, or several systems in rounds."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from statistics import median
from typing import Any, Final, NamedTuple

from rich.console import Console

from tests.bench.cpu_time import interpolate, sample_cpu_times
from tests.bench.database import Database, Transaction, check_stored, fresh_database
from tests.bench.servers import Servers

# The system that all others are compared with, and a part of their names.
CEILING: Final = "ceiling"

# Measured from when half of the events are stored, because then a JIT compiler has compiled the hot code. Until just
# before the end, because at the end several workers wait for the last one.
STEADY_PART: Final = (0.5, 0.95)


class System(NamedTuple):
    """A system under test: one way to store events.

    Attributes:
        run: stores the events in the given database, and returns when all are stored.
        events: how many it stores.
        table: where it stores them. Their number and the times of the commits are read from this table.
    """

    name: str
    run: Callable[[Database], Awaitable[None]]
    events: int
    table: str = "run_events"


class Result(NamedTuple):
    """The figures of one measurement, in its steady part. `*_us` is processor time for each event, in microseconds.

    Attributes:
        others_share: the share of all cores' time that processes outside of the benchmark used, 0 to 1.
    """

    events_per_s: float
    client_us: float
    postgres_us: float
    kafka_us: float
    events_per_transaction: float
    others_share: float


class Ratio(NamedTuple):
    """A system's events/s divided by the ceiling's in the same round, over all rounds."""

    median: float
    least: float
    most: float


Round = dict[str, Result]


async def run_rounds(systems: Sequence[System], servers: Servers, rounds: int, console: Console) -> list[Round]:
    """Measure every system once in each round, so that a disturbance of the machine affects all of them.

    Each round starts with another system. One more round before the others is the warm-up, and is not returned.
    """
    measured: list[Round] = []
    for number in range(rounds + 1):
        first = number % len(systems)
        results = {system.name: await measure(system, servers) for system in (*systems[first:], *systems[:first])}
        rates = ", ".join(f"{system.name} {results[system.name].events_per_s:,.0f}" for system in systems)
        console.print(f"  {f'round {number}' if number else 'warm-up'}: {rates} events/s")
        measured += [results] if number else []
    return measured


async def measure(system: System, servers: Servers) -> Result:
    """Run a system once, with a fresh database.

    Raises:
        RuntimeError: it did not store every event exactly once.
    """
    async with fresh_database(servers.template) as database:
        with sample_cpu_times(servers) as samples:
            await system.run(database)
        transactions = await database.transactions(system.table)
    stored = sum(transaction.events for transaction in transactions)
    check_stored(system.name, stored, system.events)
    start, end, events = steady_part(transactions)
    used = interpolate(samples, start).until(interpolate(samples, end))
    return Result(
        events_per_s=events / used.at,
        client_us=used.client / events * 1e6,
        postgres_us=used.postgres / events * 1e6,
        kafka_us=used.kafka / events * 1e6,
        events_per_transaction=stored / len(transactions),
        others_share=used.others_share(),
    )


def steady_part(transactions: Sequence[Transaction]) -> tuple[float, float, int]:
    """When the steady part starts and ends (seconds since 1970), and how many events were stored in it.

    Raises:
        RuntimeError: one transaction has more than that part of all events.
    """
    stored = list(accumulate(transaction.events for transaction in transactions))
    first = next(index for index, total in enumerate(stored) if total >= STEADY_PART[0] * stored[-1])
    last = next(index for index, total in enumerate(stored) if total >= STEADY_PART[1] * stored[-1])
    if first == last:
        raise RuntimeError("too few transactions to compute a rate; use more events")
    return transactions[first].committed_at_s, transactions[last].committed_at_s, stored[last] - stored[first]


def summarise(systems: Sequence[System], rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """The medians over the rounds, by system, with the ratio to the ceiling."""
    return {system.name: _summary(system.name, rounds) for system in systems}


def _summary(name: str, rounds: Sequence[Round]) -> dict[str, Any]:
    results = [results[name] for results in rounds]
    medians = {field: median(getattr(result, field) for result in results) for field in Result._fields}
    return {**medians, "ratio": _ratio(rounds, name)._asdict()}


def _ratio(rounds: Sequence[Round], name: str) -> Ratio:
    # Within each round: from one round to the next, the speed of the machine changes.
    ratios = [results[name].events_per_s / results[CEILING].events_per_s for results in rounds]
    return Ratio(median(ratios), min(ratios), max(ratios))
