"""Stores one batch in one transaction."""

from collections import Counter
from collections.abc import Sequence

from consumer.errors import Blocked, RepeatedIds
from consumer.ingest.duplicates import Deduplicated, deduplicate
from consumer.ingest.sequencing import (
    Head,
    assign_sequence_numbers,
    first_run_started_events,
    named_parents,
    reject_beyond_limits,
)
from consumer.ingest.transaction import Transaction
from consumer.model.batches import Batch, Stored
from consumer.model.records import Event, Rejection


async def ingest(batch: Batch, tx: Transaction, *, check_existing: bool) -> Stored:
    """Store a batch within the transaction `tx`; the caller commits it.

    1. Move the offset of each slice's partition, if it is still at the start of the slice.
    2. Store the events (see `store_events`).
    3. Insert the dead letters and count the repeats.

    Raises:
        StaleOffsets: another process has moved the offsets. The batch must be dropped.
        RepeatedIds: an event id is already stored, or occurs twice in the batch. Retry with `check_existing`.
        DataRefused: PostgreSQL cannot store a message.
    """
    await tx.move_offsets(batch)  # 1
    events = [event for slice_ in batch for event in slice_.events]
    found = await store_events(events, tx, check_existing=check_existing)  # 2
    rejections = [rejection for slice_ in batch for rejection in slice_.rejections] + found.rejections
    new_dead_letters = await tx.insert_dead_letters(rejections) if rejections else []  # 3
    repeats = Counter(event.record.partition for event in found.repeats)
    repeats += _by_partition(rejections) - _by_partition([letter.rejection for letter in new_dead_letters])
    if repeats:
        await tx.count_repeats(repeats)
    return Stored(len(found.new), new_dead_letters, repeats.total())


async def store_events(events: Sequence[Event], tx: Transaction, *, check_existing: bool) -> Deduplicated:
    """Append events to their runs within the transaction `tx`. Does not touch the offsets.

    1. If `check_existing`, separate repeats and conflicts from new events; otherwise all events count as new.
    2. Insert the missing runs and parents, and lock the runs of the new events.
    3. Reject the new events that exceed a limit of their run.
    4. Number the other new events and fold them into the heads of their runs.
    5. Insert these events, and update the runs from their heads.

    Raises:
        RepeatedIds: an event id is already stored, or occurs twice in the batch. Retry with `check_existing`.
        DataRefused: PostgreSQL cannot store a message.
    """
    found = await deduplicate(events, tx) if check_existing else Deduplicated(events, [], [])  # 1
    if found.new:
        heads = await _lock_heads(found.new, tx)  # 2
        fitting, rejections = reject_beyond_limits(found.new, heads)  # 3
        if rejections:
            if not check_existing:
                raise RepeatedIds("a run is full: its events may be repeats, which are not rejected")
            found = found._replace(new=fitting, rejections=found.rejections + rejections)
            heads = {event.run_id: heads[event.run_id] for event in fitting}
    if found.new:
        sequence = assign_sequence_numbers(found.new, heads)  # 4
        await tx.insert_events(zip(found.new, sequence, strict=True))  # 5
        await tx.update_runs(heads.values())
    return found


def _by_partition(rejections: Sequence[Rejection]) -> Counter[int]:
    """Return how many offsets the rejections stand for, by partition."""
    counts: Counter[int] = Counter()
    for rejection in rejections:
        counts[rejection.record.partition] += rejection.offset_count
    return counts


async def _lock_heads(events: Sequence[Event], tx: Transaction) -> dict[str, Head]:
    """Insert missing runs and parents, lock the runs of the events and return their heads, by run id.

    An insert after a lock could deadlock, so all parents are inserted before the runs are locked. Only the first
    `run_started` of a run names its parent, so the query `started_runs` reads which runs already have one. While the
    key of a run stays in one partition, the result cannot become stale, because this transaction has locked the
    partition's offsets. Otherwise the locked heads show that the run was started meanwhile.

    Raises:
        Blocked: a run was started from another partition at the same time. Retry the batch.
    """
    first_seen: dict[str, int] = {}
    for event in events:
        first_seen.setdefault(event.run_id, event.record.timestamp)
    naming_parents = [
        event
        for event in first_run_started_events(events)
        if event.envelope.parent_run_id is not None  # type: ignore[union-attr]
    ]
    started = await tx.started_runs([event.run_id for event in naming_parents]) if naming_parents else set()
    expected_first = [event for event in naming_parents if event.run_id not in started]
    parents = named_parents(expected_first)
    stubs = {parent: at for parent, at in parents.items() if parent not in first_seen}

    await tx.insert_runs(stubs | first_seen)
    heads = await tx.lock_runs(first_seen, stubs)
    if any(heads[event.run_id].started for event in expected_first):
        raise Blocked("a run was started from another partition at the same time")
    return heads
