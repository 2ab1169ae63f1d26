"""One batch, one transaction: the heart of the service."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from consumer.batches import Batch
from consumer.errors import Blocked
from consumer.records import Event, Letter
from consumer.repeats import Sorted, sort_out
from consumer.sequencing import Head, number, parents_named, starting_events
from consumer.transaction import Transaction


class Stored(NamedTuple):
    """What one transaction did. The three add up to the batch's records."""

    events: int
    letters: list[Letter]
    repeats: int


async def ingest(batch: Batch, tx: Transaction, *, look_first: bool) -> Stored:
    """Store one batch, all of it or nothing.

    1. Move the offsets, if they still stand where the batch begins.
    2. Set repeats and conflicts aside, if asked to look first.
    3. Make the runs that are missing, lock the batch's own.
    4. Number the events and fold the status.
    5. Insert the events, write back the runs, insert the dead letters, count the repeats.

    Raises:
        StaleOffsets: somebody else has moved on; the batch is void.
        RepeatedIds: an event id is stored already; try again, looking first.
        DataRefused: a message is not storable.
    """
    events = [event for piece in batch for event in piece.events]
    letters = [letter for piece in batch for letter in piece.letters]
    await tx.move_offsets(batch)  # 1
    found = await sort_out(events, tx) if look_first else Sorted(events, [], [])  # 2
    heads = await _lock_heads(found.new, tx) if found.new else {}  # 3
    sequence = number(found.new, heads)  # 4
    letters += found.conflicts
    repeats = Counter(event.record.partition for event in found.repeats)
    if found.new:  # 5
        await tx.insert_events(zip(found.new, sequence, strict=True))
        await tx.update_runs(heads.values())
    if letters:
        repeats += await tx.insert_dead_letters(letters)
    if repeats:
        await tx.count_repeats(repeats)
    return Stored(len(found.new), letters, repeats.total())


async def _lock_heads(events: Sequence[Event], tx: Transaction) -> dict[str, Head]:
    """The heads of the events' runs, locked; runs and parents that are missing are made first.

    Inserting after locking would deadlock: so which parents are named must be known before the lock is held. That is
    exact as long as a run's key stays in one partition, whose offsets we hold; otherwise it shows afterwards.
    """
    first_seen: dict[str, int] = {}
    for event in events:
        first_seen.setdefault(event.run_id, event.record.timestamp)
    starts = [event for event in starting_events(events) if event.envelope.parent_run_id is not None]  # type: ignore[union-attr]
    started = await tx.started_runs([event.run_id for event in starts]) if starts else set()
    parents = parents_named([event for event in starts if event.run_id not in started])
    stubs = {parent: at for parent, at in parents.items() if parent not in first_seen}

    await tx.insert_runs(stubs | first_seen)
    heads = await tx.lock_runs(first_seen, stubs)
    if any(heads[event.run_id].started for event in starts if event.run_id not in started):
        raise Blocked("a run was started from another partition in the same moment")
    return heads
