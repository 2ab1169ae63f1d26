"""One contestant's turn: fresh tables, its work, and what the clocks say of the part of it that is steady."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from tests.bench.clocks import at, reading_clocks
from tests.bench.stage import Stage
from tests.bench.tables import Committed, Tables, check_stored, fresh_tables

# From when half of the events are stored, for by then whoever compiles as it goes has compiled, to just before the end,
# where those who are several wait for the last of them.
STEADY: Final = (0.5, 0.95)

Work = Callable[[Tables], Awaitable[None]]


class Contestant(NamedTuple):
    """A way to store events.

    Attributes:
        work: stores them in the database that it is given, and returns when that is done.
        events: how many it stores.
        table: where it stores them: what is there, and when it was committed, is read from it.
    """

    name: str
    work: Work
    events: int
    table: str = "run_events"


class Result(NamedTuple):
    """What one contestant did in one turn, while it was steady. Processor time in microseconds an event.

    Attributes:
        others_share: of all cores' time, what went to processes that have no part in this.
    """

    events_per_s: float
    client_us: float
    postgres_us: float
    kafka_us: float
    events_per_transaction: float
    others_share: float


async def take_turn(contestant: Contestant, stage: Stage) -> Result:
    """Have one contestant do its work.

    Raises:
        RuntimeError: it did not store every event.
    """
    async with fresh_tables(stage.template) as tables:
        with reading_clocks(stage) as readings:
            await contestant.work(tables)
        transactions = await tables.transactions(contestant.table)
    stored = sum(transaction.events for transaction in transactions)
    check_stored(contestant.name, stored, contestant.events)
    begins, ends, events = steady(transactions)
    used = at(readings, begins).until(at(readings, ends))
    return Result(
        events_per_s=events / used.at,
        client_us=used.client / events * 1e6,
        postgres_us=used.postgres / events * 1e6,
        kafka_us=used.kafka / events * 1e6,
        events_per_transaction=stored / len(transactions),
        others_share=used.others_share(),
    )


def steady(transactions: Sequence[Committed]) -> tuple[float, float, int]:
    """From when to when it was steady, and how many events were stored in that time."""
    stored = list(accumulate(transaction.events for transaction in transactions))
    first = next(place for place, so_far in enumerate(stored) if so_far >= STEADY[0] * stored[-1])
    last = next(place for place, so_far in enumerate(stored) if so_far >= STEADY[1] * stored[-1])
    if first == last:
        raise RuntimeError("too few transactions to tell how fast they were")
    return transactions[first].at_s, transactions[last].at_s, stored[last] - stored[first]
