"""Creates the table of the peers, waits until all events are stored, and checks the rows."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from tests.bench.database import Database

TABLE: Final = "peer_events"
QUERIES: Final = Path(__file__).with_name("queries.sql")
_POLL_INTERVAL_S: Final = 1.0
_TIMEOUT_S: Final = 600.0


async def create_table(database: Database) -> None:
    """Create the empty table."""
    await database.fetch("create_peer_events", file=QUERIES)


async def wait_until_stored(database: Database, events: int, check_running: Callable[[], None]) -> None:
    """Wait until the peer has stored the number of events.

    Args:
        check_running: called at every poll; raises an error if the peer has failed.

    Raises:
        TimeoutError: the events are not stored within ten minutes.
    """
    deadline = monotonic() + _TIMEOUT_S
    while (await database.fetch("inserted_so_far", file=QUERIES))[0][0] < events:
        check_running()
        if monotonic() > deadline:
            raise TimeoutError(f"the peer has not stored {events} events within {_TIMEOUT_S:g} s")
        await asyncio.sleep(_POLL_INTERVAL_S)


async def check_table(database: Database, events: int) -> None:
    """Check the number of rows, their ids, types and parent events, and that `created_at` is on the right day.

    Raises:
        RuntimeError: the number or a value is wrong.
    """
    [(stored, wrong)] = await database.fetch("peer_events", file=QUERIES)
    if (stored, wrong) != (events, 0):
        raise RuntimeError(f"the peer stored {stored} of {events} events, {wrong} of them with wrong values")
