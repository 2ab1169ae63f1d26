"""The table of the peers: create it, wait until it is full, check its content."""

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
    """Create the table."""
    await database.fetch("create_peer_events", file=QUERIES)


async def wait_until_stored(database: Database, events: int, check_running: Callable[[], None]) -> None:
    """Wait until the peer has stored the number of events.

    Args:
        check_running: called at every poll; raises an error if the peer has failed.

    Raises:
        TimeoutError: they are not stored within ten minutes.
    """
    deadline = monotonic() + _TIMEOUT_S
    while (await database.fetch("inserted_so_far", file=QUERIES))[0][0] < events:
        check_running()
        if monotonic() > deadline:
            raise TimeoutError(f"the peer has not stored {events} events within {_TIMEOUT_S:g} s")
        await asyncio.sleep(_POLL_INTERVAL_S)


async def check_table(database: Database, events: int) -> None:
    """Check that every event is stored, with the values of its message.

    Raises:
        RuntimeError: an event is missing, or a column differs.
    """
    [(stored, wrong)] = await database.fetch("peer_events", file=QUERIES)
    if (stored, wrong) != (events, 0):
        raise RuntimeError(f"the peer stored {stored} of {events} events, {wrong} of them with wrong values")
