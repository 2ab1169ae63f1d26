"""`python -m consumer dead-letters …` with a fault at one of its queries.

FAULT_AT="SIGKILL before close_letter 2" python -m tests.support.fault_injection.dead_letters retry --all
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from consumer.cli.main import main
from consumer.postgres.store import Row, Store
from tests.support.fault_injection.fault import Faults

# The steps of a retry, in order: of a dead letter that becomes an event, and of one that is rejected again.
STEPS: Final = (
    *("lock_open_letter", "letter", "look_up", "insert_runs", "lock_runs", "copy_events", "update_runs"),
    *("stored_event", "close_letter", "refuse_letter_again", "commit"),
)


def break_store(faults: Faults) -> None:
    """Make the store report each query, and the end of each transaction, to `faults`."""
    fetch, copy_events, transaction = Store.fetch, Store.copy_events, Store.transaction

    async def breakable_fetch(store: Store, query: str, *parameters: object) -> list[Row]:
        await faults.reach("before", query)
        rows = await fetch(store, query, *parameters)
        await faults.reach("after", query)
        return rows

    async def breakable_copy(store: Store, stream: AsyncIterator[bytes]) -> int:
        await faults.reach("before", "copy_events")
        stored = await copy_events(store, stream)
        await faults.reach("after", "copy_events")
        return stored

    @asynccontextmanager
    async def breakable_transaction(store: Store) -> AsyncIterator[None]:
        async with transaction(store):
            yield
            await faults.reach("before", "commit")
        await faults.reach("after", "commit")

    Store.fetch = breakable_fetch  # type: ignore[method-assign, assignment]
    Store.copy_events = breakable_copy  # type: ignore[method-assign, assignment]
    Store.transaction = breakable_transaction  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    break_store(Faults.parse(os.environ["FAULT_AT"]))
    sys.argv.insert(1, "dead-letters")
    main()
