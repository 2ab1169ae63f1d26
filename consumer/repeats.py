"""Repeated event ids: which events are new, which are repeats, and which claim the id of another event.

One comparator, wherever batches begin and end: the same bytes where JSONB cannot hold the message, else equal as JSONB.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from consumer.records import Event, Letter, Reason
from consumer.transaction import Transaction

_Key = tuple[str, str]


class Sorted(NamedTuple):
    """What became of some events, each in the order of the log."""

    new: list[Event]
    repeats: list[Event]
    conflicts: list[Letter]


async def sort_out(events: Sequence[Event], tx: Transaction) -> Sorted:
    """Look the events' ids up, in the tables and among the events themselves."""
    taken = await tx.stored_ids(events) if events else set()
    firsts: dict[_Key, Event] = {}
    for event in events:
        if event.key not in taken:
            firsts.setdefault(event.key, event)
    known = [event for event in events if firsts.get(event.key) is not event]
    same = await _same_content(known, firsts, tx)
    return Sorted(
        new=list(firsts.values()),
        repeats=[event for event in known if event.coordinates in same],
        conflicts=[_conflict(event) for event in known if event.coordinates not in same],
    )


async def _same_content(known: Sequence[Event], firsts: Mapping[_Key, Event], tx: Transaction) -> set[tuple[int, int]]:
    """The coordinates of those events that say again what the first one of their id says."""
    stored = [event for event in known if event.key not in firsts]
    pairs = [(event, firsts[event.key]) for event in known if event.key in firsts]
    same = [event for event, first in pairs if event.value == first.value and event.raw == first.raw]
    spelled = [pair for pair in pairs if pair[0].value != pair[1].value and pair[0].raw is pair[1].raw is None]
    if stored:
        same += await tx.same_as_stored(stored)
    if spelled:
        same += await tx.same_values(spelled)
    return {event.coordinates for event in same}


def _conflict(event: Event) -> Letter:
    detail = f"run {event.run_id!r} has another event with the id {event.envelope.id!r}"
    return Letter(event.record, Reason.EVENT_ID_CONFLICT, detail)
