"""Waiting for what was accepted so far, while more may come."""

from collections.abc import Sequence
from threading import Event

from agent_runs.emitter.records import Record


class Watch:
    """Everything that was accepted before it, until it is settled.

    Attributes:
        remaining: how many of these records are neither acknowledged nor dropped yet.
    """

    def __init__(self, last_ordinal: int, remaining: int) -> None:
        self.remaining = remaining
        self._last_ordinal = last_ordinal
        self._ended = Event()

    def settle(self, records: Sequence[Record]) -> bool:
        """These are settled. Whether there is nothing more to wait for."""
        self.remaining -= sum(record.ordinal <= self._last_ordinal for record in records)
        if not self.remaining:
            self._ended.set()
        return self._ended.is_set()

    def wait(self, timeout_s: float) -> None:
        """Return when there is nothing more to wait for, or the time is over."""
        if self.remaining and timeout_s > 0:
            self._ended.wait(timeout_s)
