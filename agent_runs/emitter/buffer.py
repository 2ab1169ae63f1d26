"""The records that Kafka has not acknowledged, and all counts of the emitter.

`SendQueue` runs one method at a time. At any function call a signal handler can raise an exception, which ends the
method. Therefore counts that belong together change without a call between them. The change of `waiting` comes last,
because it decides whether a record is in the buffer.
"""

from collections.abc import Sequence
from threading import Event
from typing import Final

from agent_runs.emitter.drops import QUEUE_FULL, DropReason, Drops, drop_marker
from agent_runs.emitter.records import Record
from agent_runs.emitter.stats import Stats

_MAX_RUNS_WITH_DROPS: Final = 10_000  # about 10 MB; drops of further runs are counted, but not recorded in their run
_RUNS_PER_UPDATE: Final = 100  # the most runs whose markers one update makes, so that the update is short


def unreserved(whole: int) -> int:
    """Return the part of a queue's limit that any record may use. The rest is reserved for essential records."""
    return whole * 15 // 16


class FlushBarrier:
    """Counts the records that were accepted before a flush and are neither acknowledged nor dropped.

    Attributes:
        events: how many of these records are events. The others are markers.
    """

    def __init__(self, last_ordinal: int, records: int, events: int) -> None:
        self.events = events
        self._records = records  # markers included: a flush waits for them too
        self._last_ordinal = last_ordinal
        self._released = Event()

    @property
    def is_open(self) -> bool:
        """Whether no record is left, or the wait was ended by `release`."""
        return not self._records or self._released.is_set()

    def acknowledge(self, records: Sequence[Record]) -> bool:
        """Subtract the acknowledged records that were accepted before the flush. Returns `is_open`."""
        before = [record for record in records if record.ordinal <= self._last_ordinal]
        self._records -= len(before)
        self.events -= sum(not record.dropped_count for record in before)
        if not self._records:
            self.release()
        return self.is_open

    def replace(self, record: Record) -> None:
        """Subtract a dropped event. Its marker has the same ordinal, and the flush waits for the marker instead."""
        self.events -= record.ordinal <= self._last_ordinal

    def release(self) -> None:
        """End the wait, even if records are left."""
        self._released.set()

    def wait(self, timeout_s: float) -> None:
        """Wait until `is_open`, at most for the timeout."""
        self._released.wait(timeout_s)


class Buffer:
    """A bounded buffer of records, its counts, and the drops that no marker has recorded yet.

    Attributes:
        waiting: records accepted and not taken yet, in order.
        pending: number of accepted events that are neither acknowledged nor dropped.
        refusal: why every event is refused; None while events are accepted.
    """

    def __init__(self, max_bytes: int, max_records: int, refusal: DropReason | None = None) -> None:
        self.waiting: list[Record] = []
        self.pending = 0
        self.refusal = refusal
        self._max = max_bytes, max_records
        self._max_unreserved = unreserved(max_bytes), unreserved(max_records)
        self._ordinal = self._records = self._bytes = 0  # markers included
        self._emitted = self._sent = self._recorded = 0
        self._dropped: dict[DropReason, int] = {}
        self._unrecorded: dict[bytes, dict[DropReason, Drops]] = {}  # drops of each run until a marker records them
        self._barriers: list[FlushBarrier] = []
        self._is_given_up = False

    @property
    def is_empty(self) -> bool:
        """Whether every record is acknowledged and every drop is recorded in its run."""
        return not (self._records or self._unrecorded)

    def offer(self, record: Record) -> bool:
        """Accept an event if it fits together with the markers of its run's drops. Returns whether it was accepted."""
        if self.refusal:
            self.drop(record.key, self.refusal, record.event_type, "")
            return False
        # The markers of a run go before its next event. They are appended only if the event fits as well.
        fits = self._has_room(record.size, 1, essential=record.essential)
        if fits and record.key in self._unrecorded:
            markers = self._markers(record.key)
            size = record.size + sum(marker.size for marker in markers)
            fits = self._has_room(size, 1 + len(markers), essential=record.essential)
            if fits:
                self._append_markers(record.key, markers)
        if not fits:
            self.drop(record.key, DropReason.QUEUE_FULL, record.event_type, QUEUE_FULL)
            return False
        self._ordinal = record.ordinal = self._ordinal + 1
        self._emitted += 1
        self.pending += 1
        self._records += 1
        self._bytes += record.size
        self.waiting.append(record)
        return True

    def drop(self, key: bytes | None, reason: DropReason, event_type: str | None, detail: str) -> None:
        """Count a dropped event, and remember it for a marker in its run.

        The event gets no marker if it has no run (`key` is None), if every event is refused, or if too many other runs
        have unrecorded drops.

        Args:
            key: the key of the run's records.
            reason: why the event was dropped.
            event_type: the type of the event; None if it is not known.
            detail: the reason in words.
        """
        count = self._dropped.get(reason, 0) + 1
        self._emitted += 1
        self._dropped[reason] = count
        if key is None or self.refusal:
            return
        if key in self._unrecorded or len(self._unrecorded) < _MAX_RUNS_WITH_DROPS:
            by_reason = self._unrecorded.setdefault(key, {})
            if reason not in by_reason:
                by_reason[reason] = Drops(detail)
            by_reason[reason].add(event_type)
        if reason is not DropReason.QUEUE_FULL:  # drops of a full queue share a marker after the next acknowledgement
            self._record_drops()

    def _record_drops(self) -> None:
        """Append the markers of the oldest drops, as far as they fit into the unreserved part of the queue."""
        for _ in range(_RUNS_PER_UPDATE):
            if not self._unrecorded:
                return
            key = next(iter(self._unrecorded))  # the run that has waited longest for its markers
            markers = self._markers(key)
            if not self._has_room(sum(marker.size for marker in markers), len(markers), essential=False):
                return
            self._append_markers(key, markers)

    def _markers(self, key: bytes) -> list[Record]:
        # A signal handler may have interrupted the first drop for a reason before it was counted.
        by_reason = self._unrecorded[key].items()
        return [drop_marker(key, reason, drops) for reason, drops in by_reason if drops.count]

    def _append_markers(self, key: bytes, markers: Sequence[Record]) -> None:
        for marker in markers:
            self._ordinal = marker.ordinal = self._ordinal + 1
            self._records += 1
            self._bytes += marker.size
            self.waiting.append(marker)
        self._unrecorded.pop(key, None)

    def _has_room(self, size: int, records: int, *, essential: bool) -> bool:
        max_bytes, max_records = self._max if essential else self._max_unreserved
        return self._bytes + size <= max_bytes and self._records + records <= max_records

    def take(self) -> list[Record]:
        """Remove and return the waiting records, in order. They stay pending until they are acknowledged."""
        taken, self.waiting = self.waiting, []
        return taken

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Count records that Kafka has acknowledged."""
        if self._is_given_up:
            return
        size = events = recorded = 0
        for record in records:
            size += record.size
            events += not record.dropped_count
            recorded += record.dropped_count
        self._records -= len(records)
        self._bytes -= size
        self._recorded += recorded
        self.pending -= events
        self._sent += events
        self._barriers = [barrier for barrier in self._barriers if not barrier.acknowledge(records)]
        self._record_drops()

    def replace(self, record: Record) -> Record | None:
        """Drop a record that is too large for the topic.

        Returns the marker to send in its place; None if the record is a marker, or after `give_up`.
        """
        if self._is_given_up:
            return None
        if record.dropped_count:  # a marker that is too large: its run does not show the drop
            self._records -= 1
            self._bytes -= record.size
            self._barriers = [barrier for barrier in self._barriers if not barrier.acknowledge([record])]
            return None
        drops = Drops(f"{len(record.value)} bytes are more than the topic allows")
        drops.add(record.event_type)
        marker = drop_marker(record.key, DropReason.TOO_LARGE, drops, replaces=record)
        count = self._dropped.get(DropReason.TOO_LARGE, 0) + 1
        self._bytes += marker.size - record.size
        self.pending -= 1
        self._dropped[DropReason.TOO_LARGE] = count
        for barrier in self._barriers:
            barrier.replace(record)
        return marker

    def add_barrier(self) -> FlushBarrier:
        """Append the markers that fit, and return a barrier for all records accepted so far."""
        self._record_drops()
        barrier = FlushBarrier(self._ordinal, self._records, self.pending)
        self._barriers.append(barrier)
        return barrier

    def remove_barrier(self, barrier: FlushBarrier) -> None:
        """Remove the barrier of a flush that has ended."""
        self._barriers = [other for other in self._barriers if other is not barrier]

    def give_up(self) -> None:
        """Drop all pending events. Later acknowledgements change nothing. New events must be refused already."""
        self._is_given_up = True
        if self.pending:
            self._dropped[DropReason.GIVEN_UP] = self.pending
        self.waiting = []
        self._unrecorded = {}
        self._records = self._bytes = self.pending = 0
        for barrier in self._barriers:
            barrier.release()

    def stats(self) -> Stats:
        """Return the current counts."""
        return Stats(
            emitted=self._emitted,
            sent=self._sent,
            pending=self.pending,
            dropped={str(reason): count for reason, count in self._dropped.items()},
            recorded=self._recorded,
        )
