"""The peers' table: that it is full, and holds what it should."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from tests.bench.tables import Tables

TABLE: Final = "peer_events"
QUERIES: Final = Path(__file__).with_name("queries.sql")
_POLL_S: Final = 1.0
_GIVE_UP_S: Final = 600.0


async def make(tables: Tables) -> None:
    """Make the table."""
    await tables.fetch("create_peer_events", file=QUERIES)


async def wait_for(tables: Tables, events: int, complain: Callable[[], None]) -> None:
    """Return when so many events are stored; `complain` raises if nobody stores them any more.

    Raises:
        TimeoutError: it takes too long.
    """
    deadline = monotonic() + _GIVE_UP_S
    while (await tables.fetch("inserted_so_far", file=QUERIES))[0][0] < events:
        complain()
        if monotonic() > deadline:
            raise TimeoutError(f"not {events} events within {_GIVE_UP_S:g} s")
        await asyncio.sleep(_POLL_S)


async def check(tables: Tables, events: int) -> None:
    """Nothing may be missing or other than it was.

    Raises:
        RuntimeError: something is.
    """
    [(stored, wrong)] = await tables.fetch("peer_events", file=QUERIES)
    if (stored, wrong) != (events, 0):
        raise RuntimeError(f"of {events} events {stored} were stored, {wrong} of them otherwise than they are")
