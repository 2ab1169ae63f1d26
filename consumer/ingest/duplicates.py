"""Repeated event ids: which events are new, which are repeats, and which claim the id of another event.

One comparator, wherever batches begin and end: the same bytes where JSONB cannot hold the message, else equal as JSONB.
"""

from collections.abc import Sequence
from typing import NamedTuple

from consumer.ingest.transaction import Transaction
from consumer.model.records import Event, Reason, Rejection

_Key = tuple[str, str]


class Deduplicated(NamedTuple):
    """What became of some events, each in the order of the log."""

    new: list[Event]
    repeats: list[Event]
    conflicts: list[Rejection]


async def deduplicate(events: Sequence[Event], tx: Transaction) -> Deduplicated:
    """Look the events' ids up, in the tables and among the events themselves."""
    stored = await tx.look_up(events)
    firsts: dict[_Key, Event] = {}
    for place, event in enumerate(events):
        if place not in stored:
            firsts.setdefault(event.key, event)
    known = [place for place, event in enumerate(events) if firsts.get(event.key) is not event]
    beside_first = [(events[place], firsts[events[place].key]) for place in known if place not in stored]
    same = {event.coordinates for event in await _same_content(beside_first, tx)}
    same |= {events[place].coordinates for place, is_same in stored.items() if is_same}
    return Deduplicated(
        new=list(firsts.values()),
        repeats=[events[place] for place in known if events[place].coordinates in same],
        conflicts=[_conflict(events[place]) for place in known if events[place].coordinates not in same],
    )


async def _same_content(pairs: Sequence[tuple[Event, Event]], tx: Transaction) -> list[Event]:
    """The first of each pair that says the same as the second."""
    same = [event for event, first in pairs if event.value == first.value and event.raw == first.raw]
    spelled = [pair for pair in pairs if pair[0].value != pair[1].value and pair[0].raw is pair[1].raw is None]
    return same + (await tx.same_values(spelled) if spelled else [])


def _conflict(event: Event) -> Rejection:
    detail = f"run {event.run_id!r} has another event with the id {event.envelope.id!r}"
    return Rejection(event.record, Reason.EVENT_ID_CONFLICT, detail)
