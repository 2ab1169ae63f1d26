"""What was accepted and is not acknowledged yet: bounded, in order, every event accounted for.

Agents' threads put records in, the delivery's thread takes them out and says what became of them.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from threading import RLock, get_ident
from time import monotonic
from typing import Any, Final

from agent_runs.emitter.holes import Holes
from agent_runs.emitter.records import Record, marker
from agent_runs.emitter.stats import DropReason, Stats
from agent_runs.emitter.watch import Watch

_MOST_RUNS_WITH_HOLES: Final = 10_000  # remembered at once: some 5 MB


def ordinary_part(whole: int) -> int:
    """How much of a queue ordinary events may fill. The rest is for what says how a run stands."""
    return whole * 15 // 16


class Outbox:
    """A queue for one process.

    Attributes:
        wake: called, from any thread, when there may be something to take.
    """

    def __init__(self, most_bytes: int, most_records: int, refuses: DropReason | None = None) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._most = most_bytes, most_records
        self._most_ordinary = ordinary_part(most_bytes), ordinary_part(most_records)
        self._refuses = refuses
        self._waiting: list[Record] = []
        self._ordinal = self._records = self._bytes = 0
        self._emitted = self._pending = self._sent = self._recorded = 0
        self._dropped: Counter[DropReason] = Counter()
        self._holes = Holes(_MOST_RUNS_WITH_HOLES)
        self._watches: list[Watch] = []
        self._taken_by = 0
        self._is_given_up = False
        self._lock = RLock()
        self._busy = False
        self._postponed: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()

    # --- for agents' threads ---

    def offer(self, record: Record) -> bool | None:
        """Accept an event if there is room for it; None: that will only be known later."""
        accepted: bool | None = self._alone(self._offer, record)
        if accepted is not False:
            self.wake()
        return accepted

    def drop(self, key: bytes | None, reason: DropReason) -> None:
        """Count an event that could not become a record. Its run, where there is one, will know."""
        self._alone(self._refuse, key, reason)
        self.wake()

    def flush(self, deadline: float) -> int:
        """Wait, at most until that time (`time.monotonic`), for all that was accepted so far.

        Returns how many events of it are not settled.
        """
        with self._lock:
            if self._busy or get_ident() == self._taken_by:
                return self._pending  # asked from within: whoever waited here would wait for itself
            watch: Watch = self._alone(self._watch)
        watch.wait(deadline - monotonic())
        return watch.events

    def drain(self, deadline: float) -> int:
        """Wait, at most until that time, until nothing is left and no run has a hole that it doesn't know of."""
        left = self.flush(deadline)
        while not self.is_empty and monotonic() < deadline and get_ident() != self._taken_by:
            left = self.flush(deadline)
        return left

    def close(self) -> None:
        """From now on every event is refused."""
        self._refuses = self._refuses or DropReason.CLOSED

    def give_up(self) -> int:
        """Drop what is pending: nobody will send it any more. Returns how many events that was."""
        return self._alone(self._give_up) or 0

    def stats(self) -> Stats:
        """The counts of this moment."""
        with self._lock:
            dropped = {str(reason): count for reason, count in self._dropped.items()}
            return Stats(
                emitted=self._emitted,
                sent=self._sent,
                pending=self._pending,
                dropped=dropped,
                recorded=self._recorded,
            )

    @property
    def refuses(self) -> DropReason | None:
        """Why every event is refused, if that is so."""
        return self._refuses

    # --- for the delivery ---

    @property
    def has_waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._waiting or self._postponed)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is accepted that is not settled, and no run has a hole that it doesn't know of."""
        return not (self._records or self._postponed or self._holes)

    def take(self) -> list[Record]:
        """All that waits, in order. It counts as pending until it is settled."""
        with self._lock:
            return [] if self._busy else self._alone(self._take)

    def settle(self, records: Sequence[Record]) -> None:
        """Kafka has acknowledged these."""
        self._alone(self._settle, records)
        self.wake()

    def replace(self, record: Record) -> Record | None:
        """Kafka will not take this one, for its size: drop it. Returns what is to go in its place."""
        substitute: Record | None = self._alone(self._replace, record)
        return substitute

    # --- one at a time ---

    def _alone(self, change: Callable[..., Any], *arguments: Any) -> Any:
        """Make a change while nobody else does.

        A finaliser or a signal handler may run, in this very thread, between any two lines of a change, and emit: the
        lock lets it in, and it is put off until the change is complete. A lock that didn't would wait for itself.
        """
        with self._lock:
            if self._busy:
                self._postponed.append((change, arguments))
                return None
            self._busy = True
            try:
                result = change(*arguments)
                while self._postponed:
                    postponed, its_arguments = self._postponed.popleft()
                    postponed(*its_arguments)
            finally:
                self._busy = False
            return result

    def _offer(self, record: Record) -> bool:
        if self._refuses:
            self._refuse(record.key, self._refuses)
            return False
        # Before a run's next event come the markers of its holes. They are made only where the event itself fits.
        fits = self._has_room(record.size, 1, essential=record.essential)
        if fits and self._holes and (markers := self._holes.markers(record.key)):
            size = record.size + sum(one.size for one in markers)
            fits = self._has_room(size, 1 + len(markers), essential=record.essential)
            if fits:
                self._fill_hole(record.key, markers)
        if not fits:
            self._refuse(record.key, DropReason.QUEUE_FULL)
            return False
        self._emitted += 1
        self._pending += 1
        self._enqueue(record)
        return True

    def _refuse(self, key: bytes | None, reason: DropReason) -> None:
        self._emitted += 1
        self._dropped[reason] += 1
        if key is not None and not self._refuses:
            self._holes.add(key, reason)
            if reason is not DropReason.QUEUE_FULL:
                self._record_holes()

    def _record_holes(self) -> None:
        """As far as there is room for ordinary events: one marker for many drops, not one for each."""
        while self._holes:
            key = self._holes.first()
            markers = self._holes.markers(key)
            if not self._has_room(sum(one.size for one in markers), len(markers), essential=False):
                return
            self._fill_hole(key, markers)

    def _fill_hole(self, key: bytes, markers: Sequence[Record]) -> None:
        for one in markers:
            self._enqueue(one)
        self._holes.close(key)

    def _has_room(self, size: int, records: int, *, essential: bool) -> bool:
        """Whether so much fits into the part of the queue that it may use."""
        most_bytes, most_records = self._most if essential else self._most_ordinary
        return self._bytes + size <= most_bytes and self._records + records <= most_records

    def _enqueue(self, record: Record) -> None:
        self._ordinal += 1
        record.ordinal = self._ordinal
        self._count(record, 1)
        self._waiting.append(record)

    def _count(self, record: Record, change: int) -> None:
        self._records += change
        self._bytes += change * record.size

    def _take(self) -> list[Record]:
        self._taken_by = get_ident()
        taken, self._waiting = self._waiting, []
        return taken

    def _settle(self, records: Sequence[Record]) -> None:
        if self._is_given_up:
            return
        for record in records:
            self._count(record, -1)
            self._recorded += record.admits
        events = sum(not record.admits for record in records)
        self._pending -= events
        self._sent += events
        self._watches = [watch for watch in self._watches if not watch.settle(records)]
        self._record_holes()

    def _replace(self, record: Record) -> Record | None:
        if self._is_given_up:
            return None
        self._count(record, -1)
        if record.admits:  # not even the marker: its run will not know
            self._watches = [watch for watch in self._watches if not watch.settle([record])]
            return None
        self._pending -= 1
        self._dropped[DropReason.TOO_LARGE] += 1
        substitute = marker(record.key, DropReason.TOO_LARGE, 1)
        substitute.ordinal = record.ordinal  # whoever waits for the one waits for the other
        for watch in self._watches:
            watch.replace(record)
        self._count(substitute, 1)
        return substitute

    def _watch(self) -> Watch:
        watch = Watch(self._ordinal, self._records, self._pending)
        if self._records:
            self._watches.append(watch)
        return watch

    def _give_up(self) -> int:
        self._is_given_up = True
        given_up = self._pending
        if given_up:
            self._dropped[DropReason.GIVEN_UP] += given_up
        self._waiting = []
        self._holes = Holes(0)
        self._records = self._bytes = self._pending = 0
        for watch in self._watches:
            watch.end()
        return given_up
