"""Where every event is, and how much there is: what an outbox changes, one change at a time.

An exception out of a signal handler strikes between calls. So wherever counts move there is no call between them, and
the list, whose last word it is, comes last.
"""

from collections.abc import Sequence
from typing import Final

from agent_runs.emitter.holes import Holes
from agent_runs.emitter.records import Record, marker
from agent_runs.emitter.stats import DropReason, Stats
from agent_runs.emitter.watch import Watch

_MOST_RUNS_WITH_HOLES: Final = 10_000  # remembered at once: some 5 MB
_HOLES_AT_ONCE: Final = 100  # recorded in one change, so that it is short


def ordinary_part(whole: int) -> int:
    """How much of a queue ordinary events may fill. The rest is for what says how a run stands."""
    return whole * 15 // 16


class Accounts:
    """A bounded queue and its counts.

    Attributes:
        waiting: accepted, and not taken yet.
        pending: how many events are accepted and not settled.
        refuses: why every event is refused, if that is so.
    """

    def __init__(self, most_bytes: int, most_records: int, refuses: DropReason | None = None) -> None:
        self.waiting: list[Record] = []
        self.pending = 0
        self.refuses = refuses
        self._most = most_bytes, most_records
        self._most_ordinary = ordinary_part(most_bytes), ordinary_part(most_records)
        self._ordinal = self._records = self._bytes = 0  # markers included
        self._emitted = self._sent = self._recorded = 0
        self._dropped: dict[DropReason, int] = {}
        self._holes = Holes(_MOST_RUNS_WITH_HOLES)
        self._watches: list[Watch] = []
        self._is_given_up = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is accepted that is not settled, and no run has a hole that it doesn't know of."""
        return not (self._records or self._holes)

    def offer(self, record: Record) -> bool:
        """Accept an event if there is room for it, and for the markers of its run's holes before it."""
        if self.refuses:
            self.refuse(record.key, self.refuses)
            return False
        # Before a run's next event come the markers of its holes. They are made only where the event itself fits.
        fits = self._has_room(record.size, 1, essential=record.essential)
        if fits and self._holes and (markers := self._holes.markers(record.key)):
            size = record.size + sum(one.size for one in markers)
            fits = self._has_room(size, 1 + len(markers), essential=record.essential)
            if fits:
                self._fill_hole(record.key, markers)
        if not fits:
            self.refuse(record.key, DropReason.QUEUE_FULL)
            return False
        self._ordinal = record.ordinal = self._ordinal + 1
        self._emitted += 1
        self.pending += 1
        self._records += 1
        self._bytes += record.size
        self.waiting.append(record)
        return True

    def refuse(self, key: bytes | None, reason: DropReason) -> None:
        """Count an event that is dropped; its run, if it has one, has a hole now."""
        count = self._dropped.get(reason, 0) + 1
        self._emitted += 1
        self._dropped[reason] = count
        if key is not None and not self.refuses:
            self._holes.add(key, reason)
            if reason is not DropReason.QUEUE_FULL:
                self._record_holes()

    def _record_holes(self) -> None:
        """As far as there is room for ordinary events: one marker for many drops, not one for each."""
        for _ in range(_HOLES_AT_ONCE):
            if not self._holes:
                return
            key = self._holes.first()
            markers = self._holes.markers(key)
            if not self._has_room(sum(one.size for one in markers), len(markers), essential=False):
                return
            self._fill_hole(key, markers)

    def _fill_hole(self, key: bytes, markers: Sequence[Record]) -> None:
        for one in markers:
            self._ordinal = one.ordinal = self._ordinal + 1
            self._records += 1
            self._bytes += one.size
            self.waiting.append(one)
        self._holes.close(key)

    def _has_room(self, size: int, records: int, *, essential: bool) -> bool:
        """Whether so much fits into the part of the queue that it may use."""
        most_bytes, most_records = self._most if essential else self._most_ordinary
        return self._bytes + size <= most_bytes and self._records + records <= most_records

    def take(self) -> list[Record]:
        """All that waits, in order."""
        taken, self.waiting = self.waiting, []
        return taken

    def settle(self, records: Sequence[Record]) -> None:
        """Kafka has acknowledged these."""
        if self._is_given_up:
            return
        events = sum(not record.admits for record in records)
        self._records -= len(records)
        self._bytes -= sum(record.size for record in records)
        self._recorded += sum(record.admits for record in records)
        self.pending -= events
        self._sent += events
        self._watches = [watch for watch in self._watches if not watch.settle(records)]
        self._record_holes()

    def replace(self, record: Record) -> Record | None:
        """Kafka will not take this one: it is dropped. Returns the marker that goes in its place."""
        if self._is_given_up:
            return None
        if record.admits:  # not even the marker: its run will not know
            self._records -= 1
            self._bytes -= record.size
            self._watches = [watch for watch in self._watches if not watch.settle([record])]
            return None
        substitute = marker(record.key, DropReason.TOO_LARGE, 1, instead_of=record)
        count = self._dropped.get(DropReason.TOO_LARGE, 0) + 1
        self._bytes += substitute.size - record.size
        self.pending -= 1
        self._dropped[DropReason.TOO_LARGE] = count
        for watch in self._watches:
            watch.replace(record)
        return substitute

    def watch(self) -> Watch:
        """Watch all that has been accepted so far."""
        self._record_holes()
        watch = Watch(self._ordinal, self._records, self.pending)
        self._watches.append(watch)
        return watch

    def forget(self, watch: Watch) -> None:
        """Nobody waits any more."""
        self._watches = [one for one in self._watches if one is not watch]

    def give_up(self) -> None:
        """Drop what is pending. What the carrier still learns of it changes nothing."""
        self._is_given_up = True
        if self.pending:
            self._dropped[DropReason.GIVEN_UP] = self.pending
        self.waiting = []
        self._holes = Holes(0)
        self._records = self._bytes = self.pending = 0
        for watch in self._watches:
            watch.end()

    def stats(self) -> Stats:
        """The counts of this moment."""
        return Stats(
            emitted=self._emitted,
            sent=self._sent,
            pending=self.pending,
            dropped={str(reason): count for reason, count in self._dropped.items()},
            recorded=self._recorded,
        )
