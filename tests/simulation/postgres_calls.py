"""Helpers of the tests that compare the simulated PostgreSQL with a real one."""

from consumer.ingest.sequencing import Head
from consumer.ingest.transaction import Transaction
from consumer.model.batches import Slice
from consumer.model.claims import Claim
from consumer.model.records import Event, Fingerprint
from consumer.postgres.store import Store
from tests.support.builders import decoded, message


def slice_of(partition: int, start: int, end: int, fingerprint: Fingerprint | None = None) -> Slice:
    made = Slice.of(Claim(partition), start, end, [])
    made.fingerprint = fingerprint
    return made


async def positions(store: Store) -> dict[int, tuple[object, ...]]:
    """By partition: first_offset, next_offset, last_offset, last_timestamp and repeats."""
    return {number: row[1:-1] for number, row in (await store.offsets()).items()}


async def insert(store: Store, *events: Event, first: int = 0) -> None:
    """Insert events, with consecutive sequence numbers from `first` on, in one transaction."""
    async with store.transaction():
        tx = Transaction(store)
        await tx.insert_runs({event.run_id: event.record.timestamp for event in events})
        await tx.insert_events([(event, first + number) for number, event in enumerate(events)])


async def heads(store: Store, *run_ids: str) -> dict[str, Head]:
    """Return the heads of these runs, read under a lock that is released on return."""
    async with store.transaction():
        return await Transaction(store).lock_runs(run_ids, {})


def event_with_data(data: str, number: int = 0) -> Event:
    """An event with this JSON text as its `data`, and with the id `x<number>`."""
    value = message(id=f"x{number}", data=0).replace(b'"data": 0', b'"data": ' + data.encode())
    found = decoded(value)
    assert isinstance(found, Event)
    return found
