"""Batches: consecutive records of some partitions, written in one transaction."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import msgspec

from consumer.model.claims import Claim
from consumer.model.records import Event, Fingerprint, Rejection, size_bytes


class Slice(msgspec.Struct, kw_only=True):
    """Consecutive records of one partition: from `start_offset` up to, not including, `end_offset`.

    Kafka's logs have gaps (transaction markers, compaction): a bound is not always a record's offset, and a slice may
    hold no records.

    Attributes:
        fingerprint: the fingerprint of the last record; None if there are no records.
        size_bytes: the size of all keys, values and headers.
    """

    claim: Claim
    start_offset: int
    end_offset: int
    events: list[Event]
    rejections: list[Rejection]
    fingerprint: Fingerprint | None
    size_bytes: int

    @classmethod
    def of(cls, claim: Claim, start_offset: int, end_offset: int, items: Sequence[Event | Rejection]) -> Self:
        """Return the slice of these decoded records, which are in the order of their offsets."""
        last = items[-1].record if items else None
        return cls(
            claim=claim,
            start_offset=start_offset,
            end_offset=end_offset,
            events=[item for item in items if isinstance(item, Event)],
            rejections=[item for item in items if isinstance(item, Rejection)],
            fingerprint=Fingerprint.of(last.offset, last.timestamp) if last else None,
            size_bytes=sum(size_bytes(item.record) for item in items),
        )

    @property
    def records(self) -> int:
        """The number of records."""
        return len(self.events) + len(self.rejections)

    def items(self) -> list[Event | Rejection]:
        """Return the events and rejections in the order of their offsets."""
        return sorted((*self.events, *self.rejections), key=lambda item: item.record.offset)

    def extend(self, following: Self) -> None:
        """Append the slice that starts where this one ends."""
        self.end_offset = following.end_offset
        self.events += following.events
        self.rejections += following.rejections
        self.fingerprint = following.fingerprint or self.fingerprint
        self.size_bytes += following.size_bytes

    def split(self, count: int) -> list[Self]:
        """Return the same records in at most `count` slices of about the same number of records, at least one slice."""
        items = self.items()
        step = max(1, -(-len(items) // count))
        groups = [items[i : i + step] for i in range(0, len(items), step)] or [[]]
        starts = [self.start_offset, *(group[0].record.offset for group in groups[1:])]
        bounds = zip(starts, [*starts[1:], self.end_offset], groups, strict=True)
        return [type(self).of(self.claim, start, end, group) for start, end, group in bounds]

    def reject(self, rejections: Iterable[Rejection]) -> None:
        """Replace the events that have the same offsets as the rejections by these rejections."""
        rejections = list(rejections)
        offsets = {rejection.record.offset for rejection in rejections}
        self.events = [event for event in self.events if event.record.offset not in offsets]
        self.rejections += rejections


Batch = Sequence[Slice]


class NewDeadLetter(NamedTuple):
    """A rejection whose dead letter was inserted, and the dead letter's id."""

    id: int
    rejection: Rejection


class Stored(NamedTuple):
    """What one transaction stored. The three numbers add up to the number of records in the batch.

    Attributes:
        events: the number of new events.
        new_dead_letters: the dead letters that were inserted. A rejection whose dead letter exists already, in
            whatever state, counts as a repeat.
        repeats: the number of repeats.
    """

    events: int
    new_dead_letters: list[NewDeadLetter]
    repeats: int
