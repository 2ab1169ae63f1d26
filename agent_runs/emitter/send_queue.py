"""The bounded queue between the agent's threads and the delivery thread.

Agents' threads offer records. The delivery thread takes them, and reports each record as acknowledged by Kafka or as
too large for the topic.
"""

import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import TIMEOUT_MAX, RLock, get_ident
from time import monotonic
from typing import Final, TypeVar, TypeVarTuple

from agent_runs.emitter.buffer import Buffer
from agent_runs.emitter.drops import QUEUE_FULL, DropReason
from agent_runs.emitter.records import Record
from agent_runs.emitter.stats import Stats

_LOCK_TIMEOUT_S: Final = 0.02  # for an agent's thread; about a hundred times the duration of an update
_STATS_TIMEOUT_S: Final = 1.0
_REPEAT_WAKE_S: Final = 0.2  # an exception from a signal handler can have prevented the first wake-up
_MAX_DEFERRED: Final = 1_000  # events deferred while the lock is busy, in addition to the queue's bounds
_RECORDS_PER_UPDATE: Final = 256  # acknowledged in one update, so that the update is short

_Arguments = TypeVarTuple("_Arguments")
_Result = TypeVar("_Result")


class LockBusy(Exception):
    """Another update is running. It may be one of this thread, interrupted by a finaliser or a signal handler."""


class UpdateLock:
    """Runs updates of one object for many threads, one at a time; an update that has to wait can be deferred.

    A lock alone is not enough. A finaliser or a signal handler can run between any two lines of an update and emit an
    event. Waiting for the lock there would be a deadlock. A finaliser can also wait there for a lock of the agent while
    the holder of that lock emits. So an agent's thread that finds the lock busy defers its update, and the next holder
    runs it.

    `queue.SimpleQueue` would need no lock: its `put` is reentrant, and the delivery thread could own all counts. But
    then `offer` could not return whether an event was accepted, and a run needs the answer to choose the parent of its
    next event. The bounds of the queue would be approximate, and `emitted = sent + pending + dropped` would not hold
    while events wait to be counted.
    """

    def __init__(self) -> None:
        self._lock = RLock()  # unlike a `Lock`, only its owner can release it
        self._threads: set[int] = set()  # threads that run an update, or wait to run one
        self._deferred: deque[Callable[[], object]] = deque()

    @property
    def is_used_by_this_thread(self) -> bool:
        """Whether this thread is inside `run`: the caller interrupts an update, and must not wait for its end."""
        return get_ident() in self._threads

    @property
    def deferred(self) -> int:
        """Number of deferred updates that have not run yet."""
        return len(self._deferred)

    def run(self, update: Callable[[*_Arguments], _Result], *arguments: *_Arguments, timeout_s: float = -1) -> _Result:
        """Run the deferred updates and then this one. Returns its result.

        Raises:
            LockBusy: the update did not run, because the lock was busy for `timeout_s` (negative: wait without limit)
                or because this thread is inside another update.
        """
        thread = get_ident()
        if thread in self._threads:
            raise LockBusy
        # A signal handler can run between any two of these lines, and raise.
        try:
            self._threads.add(thread)
            # While the interpreter shuts down, the thread that has the lock never runs again: do without the lock.
            if not self._lock.acquire(timeout=timeout_s) and not sys.is_finalizing():
                raise LockBusy
            while self._deferred:
                deferred = self._deferred.popleft()
                deferred()
            result = update(*arguments)
        finally:
            try:
                self._lock.release()
            except RuntimeError:
                pass  # this thread does not have the lock
            finally:
                self._threads.discard(thread)
        return result

    def defer(self, update: Callable[[*_Arguments], object], *arguments: *_Arguments) -> None:
        """Queue an update for the next holder of the lock."""
        self._deferred.append(partial(update, *arguments))


class SendQueue:
    """The queue of one emitter in one process, and the counts of its events.

    Attributes:
        wake: called, from any thread, when `take` may return records or `is_empty` may have changed.
    """

    def __init__(self, max_bytes: int, max_records: int, refusal: DropReason | None = None) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._buffer = Buffer(max_bytes, max_records, refusal)
        self._lock = UpdateLock()
        self._delivery_thread = 0

    # --- for agents' threads ---

    def offer(self, record: Record) -> bool | None:
        """Accept an event if the queue has room for it, otherwise drop it.

        Returns whether it was accepted. None if the lock is busy: the next holder of the lock accepts or drops it.
        """
        accepted: bool | None = None
        try:
            accepted = self._lock.run(self._buffer.offer, record, timeout_s=_LOCK_TIMEOUT_S)
        except LockBusy:
            if self._lock.deferred < _MAX_DEFERRED:
                self._lock.defer(self._buffer.offer, record)
            else:
                self._lock.defer(self._buffer.drop, record.key, DropReason.QUEUE_FULL, record.event_type, QUEUE_FULL)
        if accepted is not False:
            self.wake()
        return accepted

    def drop(self, key: bytes | None, reason: DropReason, event_type: str | None = None, detail: str = "") -> None:
        """Count an event that could not become a record. If the event has a run, a marker records the drop there.

        Args:
            key: the key of the run's records; None if the event has no run.
            reason: why the event was dropped.
            event_type: the type of the event; None if it is not known.
            detail: the reason in words.
        """
        self._run_or_defer(self._buffer.drop, key, reason, event_type, detail)
        self.wake()

    def flush(self, deadline: float) -> int:
        """Wait until all records accepted before are acknowledged or dropped, or until the deadline (`time.monotonic`).

        Returns how many of these events are left. If waiting would be a deadlock, it returns at once.
        """
        timeout_s = min(deadline - monotonic(), TIMEOUT_MAX)
        if self.must_not_wait or timeout_s <= 0:
            return self._buffer.pending
        try:
            barrier = self._lock.run(self._buffer.add_barrier, timeout_s=timeout_s)
        except LockBusy:
            return self._buffer.pending
        try:
            while not barrier.is_open and (timeout_s := deadline - monotonic()) > 0:
                self.wake()
                barrier.wait(min(timeout_s, _REPEAT_WAKE_S))
        finally:
            self._run_or_defer(self._buffer.remove_barrier, barrier)
        return barrier.events

    def drain(self, deadline: float) -> int:
        """Wait until the queue is empty and every drop is recorded in its run, or until the deadline.

        Returns how many events are pending. If waiting would be a deadlock, it returns at once.
        """
        while not self.is_empty and not self.must_not_wait and monotonic() < deadline:
            self.flush(deadline)
        return self._buffer.pending

    def close(self) -> None:
        """Refuse every event from now on."""
        self._buffer.refusal = self._buffer.refusal or DropReason.CLOSED

    def give_up(self) -> int:
        """Drop all pending events; the queue must be closed. Returns how many events were dropped."""
        given_up = self._buffer.pending
        self._run_or_defer(self._buffer.give_up)
        return given_up

    def stats(self) -> Stats:
        """Return the current counts."""
        try:
            return self._lock.run(self._buffer.stats, timeout_s=_STATS_TIMEOUT_S)
        except LockBusy:
            return self._buffer.stats()  # read during an update: the counts may not add up

    @property
    def refusal(self) -> DropReason | None:
        """Why every event is refused; None while events are accepted."""
        return self._buffer.refusal

    @property
    def must_not_wait(self) -> bool:
        """Whether waiting would be a deadlock: this is the delivery thread, or the caller interrupts an update."""
        return self._lock.is_used_by_this_thread or get_ident() == self._delivery_thread

    # --- for the delivery thread ---

    def set_delivery_thread(self) -> None:
        """Declare the calling thread the delivery thread, which must not wait for the queue."""
        self._delivery_thread = get_ident()

    @property
    def has_waiting(self) -> bool:
        """Whether `take` may return records: records wait, or an update is deferred."""
        return bool(self._buffer.waiting or self._lock.deferred)

    @property
    def is_empty(self) -> bool:
        """Whether every record is acknowledged and every drop is recorded in its run."""
        return self._buffer.is_empty and not self._lock.deferred

    @property
    def waiting(self) -> list[Record]:
        """A copy of the records that `take` would return, for any thread."""
        return [*self._buffer.waiting]

    def take(self) -> list[Record]:
        """Remove and return the waiting records, in order. They stay pending until they are acknowledged."""
        try:
            return self._lock.run(self._buffer.take)
        except LockBusy:
            return []  # the caller interrupts an update of this thread; the interrupted code takes the records later

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Count records that Kafka has acknowledged."""
        for start in range(0, len(records), _RECORDS_PER_UPDATE):
            self._lock.run(self._buffer.acknowledge, records[start : start + _RECORDS_PER_UPDATE])
        self.wake()

    def replace(self, record: Record) -> Record | None:
        """Drop a record that is too large for the topic. Returns the marker to send in its place, if there is one."""
        return self._lock.run(self._buffer.replace, record)

    def _run_or_defer(self, update: Callable[[*_Arguments], object], *arguments: *_Arguments) -> None:
        try:
            self._lock.run(update, *arguments, timeout_s=_LOCK_TIMEOUT_S)
        except LockBusy:
            self._lock.defer(update, *arguments)
