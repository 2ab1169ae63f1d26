"""One batch, one transaction: the heart of the service."""

from collections import Counter
from collections.abc import Sequence

from consumer.errors import Blocked
from consumer.ingest.duplicates import Deduplicated, deduplicate
from consumer.ingest.sequencing import Head, number, parents_named, starting_events
from consumer.ingest.transaction import Transaction
from consumer.model.batches import Batch, Stored
from consumer.model.records import Event, Rejection


async def ingest(batch: Batch, tx: Transaction, *, check_existing: bool) -> Stored:
    """Store one batch, all of it or nothing.

    1. Move the offsets, if they still stand where the batch begins.
    2. Store the events (see there).
    3. Insert the dead letters, count the repeats.

    Raises:
        StaleOffsets: somebody else has moved on; the batch is void.
        RepeatedIds: an event id is stored already; try again, checking existing ids.
        DataRefused: a message is not storable.
    """
    await tx.move_offsets(batch)  # 1
    events = [event for slice_ in batch for event in slice_.events]
    found = await store_events(events, tx, check_existing=check_existing)  # 2
    letters = [letter for slice_ in batch for letter in slice_.rejections] + found.conflicts
    new_letters = await tx.insert_dead_letters(letters) if letters else []  # 3
    repeats = Counter(event.record.partition for event in found.repeats)
    repeats += _partitions(letters) - _partitions(new_letters)
    if repeats:
        await tx.count_repeats(repeats)
    return Stored(len(found.new), new_letters, repeats.total())


async def store_events(events: Sequence[Event], tx: Transaction, *, check_existing: bool) -> Deduplicated:
    """Append events to their runs; nothing here knows of offsets. Returns which were new, repeats, conflicts.

    1. Set repeats and conflicts aside, if `check_existing`.
    2. Make the runs that are missing, lock the events' own.
    3. Number the events and fold the status.
    4. Insert the events, write back the runs.

    Raises:
        RepeatedIds: an event id is stored already; try again, checking existing ids.
        DataRefused: a message is not storable.
    """
    found = await deduplicate(events, tx) if check_existing else Deduplicated(list(events), [], [])  # 1
    if found.new:
        heads = await _lock_heads(found.new, tx)  # 2
        sequence = number(found.new, heads)  # 3
        await tx.insert_events(zip(found.new, sequence, strict=True))  # 4
        await tx.update_runs(heads.values())
    return found


def _partitions(letters: Sequence[Rejection]) -> Counter[int]:
    return Counter(letter.record.partition for letter in letters)


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
