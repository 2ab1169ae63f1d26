"""The log of a topic as values: its visible records and the offsets of its partitions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]


class Place(NamedTuple):
    """The partition and offset of a record."""

    partition: int
    offset: int


@dataclass(frozen=True)
class Record:
    """One record, with the bytes that were published."""

    place: Place
    timestamp: int  # milliseconds since 1970, of any size
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Extent(NamedTuple):
    """A partition's log start offset, and the end offset for readers of committed records."""

    start: int
    end: int


@dataclass(frozen=True)
class Log:
    """The visible records of a topic, in the order of each partition: all of them, or the new ones of a step.

    Attributes:
        offsets_read: by partition, the sorted offsets of all records read so far; only set if `records` are a step's.
    """

    topic: str
    extents: Mapping[int, Extent]
    records: Sequence[Record]
    offsets_read: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def holds(self, place: Place) -> bool:
        """Whether the log has a visible record at this place."""
        offsets = self.offsets_read.get(place.partition, ())
        found = bisect_left(offsets, place.offset)
        return place in self._places or (found < len(offsets) and offsets[found] == place.offset)

    @cached_property
    def _places(self) -> frozenset[Place]:
        return frozenset(record.place for record in self.records)
