"""Separates new events from repeats and from conflicts: events with an id that the run has with other content.

The comparison is the same within a batch and with the tables, so that the result does not depend on batch bounds: equal
bytes if JSONB cannot store the message, otherwise equal as JSONB.
"""

from collections.abc import Sequence
from typing import NamedTuple

from agent_runs.codec.records import Reason
from consumer.ingest.transaction import Transaction
from consumer.model.records import Event, Rejection

_Key = tuple[str, str]


class Deduplicated(NamedTuple):
    """The new events, the repeats, and the rejections of conflicting events; each list in the order of the log."""

    new: Sequence[Event]
    repeats: list[Event]
    rejections: list[Rejection]


async def deduplicate(events: Sequence[Event], tx: Transaction) -> Deduplicated:
    """Compare events with the stored events and with each other. The first event with an unstored id is new."""
    stored = await tx.look_up(events)
    firsts: dict[_Key, Event] = {}
    for index, event in enumerate(events):
        if index not in stored:
            firsts.setdefault(event.key, event)
    not_new = [index for index, event in enumerate(events) if firsts.get(event.key) is not event]
    pairs = [(events[index], firsts[events[index].key]) for index in not_new if index not in stored]
    same = {event.coordinates for event in await _same_content(pairs, tx)}
    same |= {events[index].coordinates for index, is_same in stored.items() if is_same}
    return Deduplicated(
        new=list(firsts.values()),
        repeats=[events[index] for index in not_new if events[index].coordinates in same],
        rejections=[_conflict(events[index]) for index in not_new if events[index].coordinates not in same],
    )


async def _same_content(pairs: Sequence[tuple[Event, Event]], tx: Transaction) -> list[Event]:
    """Return the first event of each pair with equal content. PostgreSQL compares only pairs that differ in bytes."""
    same = [event for event, first in pairs if event.value == first.value and event.raw == first.raw]
    different_bytes = [pair for pair in pairs if pair[0].value != pair[1].value and pair[0].raw is pair[1].raw is None]
    return same + (await tx.same_values(different_bytes) if different_bytes else [])


def _conflict(event: Event) -> Rejection:
    detail = f"run {event.run_id!r} has another event with the id {event.envelope.id!r}"
    return Rejection(event.record, Reason.EVENT_ID_CONFLICT, detail)
