"""Batches: consecutive records of some partitions, written in one transaction."""

from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from consumer.model.claims import Claim
from consumer.model.records import Event, Record, Rejection, size_bytes, storable_timestamp


class Slice(msgspec.Struct, kw_only=True):
    """Consecutive records of one partition: from offset `begins` up to, not including, `ends`.

    Logs have gaps (transaction markers, compaction): neither bound need be a record's offset, and there may be none.

    Attributes:
        last: offset and timestamp of the last record; None without records.
        size_bytes: of the keys, values and headers.
    """

    claim: Claim
    begins: int
    ends: int
    events: list[Event]
    letters: list[Rejection]
    last: tuple[int, int] | None
    size_bytes: int

    @classmethod
    def of(cls, claim: Claim, begins: int, ends: int, judged: Sequence[Event | Rejection]) -> Self:
        """The slice of records that were judged, in the order of their offsets."""
        return cls(
            claim=claim,
            begins=begins,
            ends=ends,
            events=[item for item in judged if isinstance(item, Event)],
            letters=[item for item in judged if isinstance(item, Rejection)],
            last=_fingerprint(judged[-1].record) if judged else None,
            size_bytes=sum(size_bytes(item.record) for item in judged),
        )

    @property
    def records(self) -> int:
        """How many records it holds."""
        return len(self.events) + len(self.letters)

    def judged(self) -> list[Event | Rejection]:
        """Its records in the order of their offsets."""
        return sorted((*self.events, *self.letters), key=lambda item: item.record.offset)

    def extend(self, other: Self) -> None:
        """Take in the slice that follows."""
        self.ends = other.ends
        self.events += other.events
        self.letters += other.letters
        self.last = other.last or self.last
        self.size_bytes += other.size_bytes

    def split(self, pieces: int) -> list[Self]:
        """The same records in as many slices of about the same size as there are records for."""
        judged = self.judged()
        step = max(1, -(-len(judged) // pieces))
        groups = [judged[i : i + step] for i in range(0, len(judged), step)] or [[]]
        starts = [self.begins, *(group[0].record.offset for group in groups[1:])]
        bounds = zip(starts, [*starts[1:], self.ends], groups, strict=True)
        return [type(self).of(self.claim, begins, ends, group) for begins, ends, group in bounds]

    def set_aside(self, letters: Iterable[Rejection]) -> None:
        """Make letters of some of the events."""
        letters = list(letters)
        gone = {letter.record.offset for letter in letters}
        self.events = [event for event in self.events if event.record.offset not in gone]
        self.letters += letters


Batch = Sequence[Slice]


def _fingerprint(record: Record) -> tuple[int, int]:
    # A timestamp that no column can hold counts as 0: the offset still tells most logs apart.
    return record.offset, storable_timestamp(record.timestamp) or 0
