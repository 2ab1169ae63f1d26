"""What was accepted and is not acknowledged yet: bounded, in order, every event accounted for.

Agents' threads put records in, the delivery's thread takes them out and says what became of them.
"""

from collections.abc import Callable, Sequence
from threading import TIMEOUT_MAX, get_ident
from time import monotonic
from typing import Final

from agent_runs.emitter.buffer import Accounts
from agent_runs.emitter.changes import Busy, Changes
from agent_runs.emitter.records import Record
from agent_runs.emitter.stats import DropReason, Stats
from agent_runs.emitter.watch import Watch

# An agent waits so long for a change that is under way: some hundred times what one takes.
_PATIENCE_S: Final = 0.02
_LONGEST_LOOK_S: Final = 1.0
_WAKES_AGAIN_S: Final = 0.2  # an exception out of a signal handler may have kept it from being woken
_MOST_POSTPONED: Final = 1_000  # events that came meanwhile, beside the queue
_SETTLED_AT_ONCE: Final = 256  # records of one change, so that it is short


class Outbox:
    """A queue for one process.

    Attributes:
        wake: called, from any thread, when there may be something to take.
    """

    def __init__(self, most_bytes: int, most_records: int, refuses: DropReason | None = None) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._accounts = Accounts(most_bytes, most_records, refuses)
        self._changes = Changes()
        self._carried_by = 0

    # --- for agents' threads ---

    def offer(self, record: Record) -> bool | None:
        """Accept an event if there is room for it; None: that will only be known later."""
        accepted: bool | None = None
        try:
            accepted = self._changes.make(self._accounts.offer, record, patience_s=_PATIENCE_S)
        except Busy:
            if self._changes.postponed < _MOST_POSTPONED:
                self._changes.postpone(self._accounts.offer, record)
            else:
                self._changes.postpone(self._accounts.refuse, record.key, DropReason.QUEUE_FULL)
        if accepted is not False:
            self.wake()
        return accepted

    def drop(self, key: bytes | None, reason: DropReason) -> None:
        """Count an event that could not become a record. Its run, where there is one, will know."""
        self._make_or_postpone(self._accounts.refuse, key, reason)
        self.wake()

    def flush(self, deadline: float) -> int:
        """Wait, at most until that time (`time.monotonic`), for all that was accepted so far.

        Returns how many events of it are not settled.
        """
        timeout_s = min(deadline - monotonic(), TIMEOUT_MAX)
        if self.is_within or timeout_s <= 0:
            return self._accounts.pending
        try:
            watch: Watch = self._changes.make(self._accounts.watch, patience_s=timeout_s)
        except Busy:
            return self._accounts.pending
        try:
            while not watch.is_over and (timeout_s := deadline - monotonic()) > 0:
                self.wake()
                watch.wait(min(timeout_s, _WAKES_AGAIN_S))
        finally:
            self._make_or_postpone(self._accounts.forget, watch)
        return watch.events

    def drain(self, deadline: float) -> int:
        """Wait, at most until that time, until nothing is left and no run has a hole that it doesn't know of."""
        while not self.is_empty and not self.is_within and monotonic() < deadline:
            self.flush(deadline)
        return self._accounts.pending

    def close(self) -> None:
        """From now on every event is refused."""
        self._accounts.refuses = self._accounts.refuses or DropReason.CLOSED

    def give_up(self) -> int:
        """Drop what is pending: nobody will send it any more. Returns how many events that was."""
        given_up = self._accounts.pending
        self._make_or_postpone(self._accounts.give_up)
        return given_up

    def stats(self) -> Stats:
        """The counts of this moment."""
        try:
            stats: Stats = self._changes.make(self._accounts.stats, patience_s=_LONGEST_LOOK_S)
        except Busy:
            return self._accounts.stats()  # in the middle of a change they may not add up
        return stats

    @property
    def refuses(self) -> DropReason | None:
        """Why every event is refused, if that is so."""
        return self._accounts.refuses

    @property
    def is_within(self) -> bool:
        """Whether we are called from the middle of a change, or by the carrier: who waits here waits for himself."""
        return self._changes.is_within or get_ident() == self._carried_by

    # --- for the carrier ---

    def carried_by_this_thread(self) -> None:
        """It takes what there is, and must not wait for that."""
        self._carried_by = get_ident()

    @property
    def has_waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._accounts.waiting or self._changes.postponed)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is accepted that is not settled, and no run has a hole that it doesn't know of."""
        return self._accounts.is_empty and not self._changes.postponed

    def take(self) -> list[Record]:
        """All that waits, in order. It counts as pending until it is settled."""
        try:
            taken: list[Record] = self._changes.make(self._accounts.take)
        except Busy:
            return []  # from within a change: whoever makes it looks again
        return taken

    def settle(self, records: Sequence[Record]) -> None:
        """Kafka has acknowledged these."""
        for at in range(0, len(records), _SETTLED_AT_ONCE):
            self._changes.make(self._accounts.settle, records[at : at + _SETTLED_AT_ONCE])
        self.wake()

    def replace(self, record: Record) -> Record | None:
        """Kafka will not take this one, for its size: drop it. Returns what is to go in its place."""
        substitute: Record | None = self._changes.make(self._accounts.replace, record)
        return substitute

    def _make_or_postpone(self, change: Callable[..., object], *arguments: object) -> None:
        try:
            self._changes.make(change, *arguments, patience_s=_PATIENCE_S)
        except Busy:
            self._changes.postpone(change, *arguments)
