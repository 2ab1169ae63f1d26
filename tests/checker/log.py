"""The log, as the checker sees it: what Kafka accepted, and nothing about what became of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]


class Place(NamedTuple):
    """Where a record stands in the topic. Sorts as the partition's log does."""

    partition: int
    offset: int


@dataclass(frozen=True)
class Record:
    """One record, byte for byte as it was published."""

    place: Place
    timestamp: int  # milliseconds since 1970, of any size
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Extent(NamedTuple):
    """From the first offset that a partition still holds to the one behind its last committed record."""

    begin: int
    end: int


@dataclass(frozen=True)
class Log:
    """Visible records of a topic, in the order of each partition: all of them, or what is new to whoever has seen some.

    Attributes:
        seen: the offsets of the records that were read, in order; only where `records` is not all of them.
    """

    topic: str
    extents: Mapping[int, Extent]
    records: Sequence[Record]
    seen: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def holds(self, place: Place) -> bool:
        """Whether there is such a record."""
        seen = self.seen.get(place.partition, ())
        found = bisect_left(seen, place.offset)
        return place in self._places or (found < len(seen) and seen[found] == place.offset)

    @cached_property
    def _places(self) -> frozenset[Place]:
        return frozenset(record.place for record in self.records)
