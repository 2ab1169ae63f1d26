"""Measures one system once, or several systems in rounds."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from statistics import median
from typing import Any, Final, NamedTuple

from rich.console import Console

from tests.bench.cpu_time import interpolate, sample_cpu_times
from tests.bench.database import Database, check_stored, fresh_database
from tests.bench.servers import Servers

# The name of the system that all others are compared with. With several connections, their number is appended.
CEILING: Final = "ceiling"

# Shares of the stored events. The steady part starts when half of the events are stored, because by then a JIT compiler
# has compiled the hot code. It ends before the last events, because then some workers are idle until the last one ends.
STEADY_PART: Final = (0.5, 0.95)


class System(NamedTuple):
    """A system under test: one way to store events.

    Attributes:
        run: stores the events in the given database, and returns when all are stored.
        events: the number of events that `run` stores.
        table: the table that contains the events. The number of rows and the commit times are read from this table.
    """

    name: str
    run: Callable[[Database], Awaitable[None]]
    events: int
    table: str = "run_events"


class Result(NamedTuple):
    """The figures of one measurement, in its steady part. `*_us` is processor time for each event, in microseconds.

    Attributes:
        events_per_transaction: the mean of the whole measurement.
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
    """Measure every system once in each round, because a disturbance of the machine then affects all of them.

    The systems are rotated by one from round to round. An additional first round is the warm-up; its results are not
    returned.
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
        RuntimeError: the number of stored events is not `system.events`.
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


def steady_part(steps: Sequence[tuple[float, int]]) -> tuple[float, float, int]:
    """Return the start and the end of the steady part (seconds since 1970), and the number of its events.

    Args:
        steps: moments in seconds since 1970, in order, each with the number of events stored since the previous one.

    Raises:
        RuntimeError: the steady part starts and ends in the same step.
    """
    stored = list(accumulate(events for _, events in steps))
    first = next(index for index, total in enumerate(stored) if total >= STEADY_PART[0] * stored[-1])
    last = next(index for index, total in enumerate(stored) if total >= STEADY_PART[1] * stored[-1])
    if first == last:
        raise RuntimeError("too few transactions to compute a rate; use more events")
    return steps[first][0], steps[last][0], stored[last] - stored[first]


def summarise(systems: Sequence[System], rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """Return the medians over the rounds and the ratio to the ceiling, by system."""
    return {system.name: _summary(system.name, rounds) for system in systems}


def _summary(name: str, rounds: Sequence[Round]) -> dict[str, Any]:
    results = [results[name] for results in rounds]
    medians = {field: median(getattr(result, field) for result in results) for field in Result._fields}
    return {**medians, "ratio": _ratio(rounds, name)._asdict()}


def _ratio(rounds: Sequence[Round], name: str) -> Ratio:
    # Compared within each round, because the speed of the machine changes from round to round.
    ratios = [results[name].events_per_s / results[CEILING].events_per_s for results in rounds]
    return Ratio(median(ratios), min(ratios), max(ratios))
