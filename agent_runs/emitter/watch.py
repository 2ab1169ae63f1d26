"""Waiting for what was accepted so far, while more may come."""

from collections.abc import Sequence
from threading import Event

from agent_runs.emitter.records import Record


class Watch:
    """Everything that was accepted before it, until it is settled.

    Attributes:
        events: how many of them are neither acknowledged nor dropped yet.
    """

    def __init__(self, last_ordinal: int, records: int, events: int) -> None:
        self.events = events
        self._records = records  # the markers of holes are waited for too
        self._last_ordinal = last_ordinal
        self._ended = Event()

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return not self._records or self._ended.is_set()

    def settle(self, records: Sequence[Record]) -> bool:
        """These are settled. Whether there is nothing more to wait for."""
        ours = [record for record in records if record.ordinal <= self._last_ordinal]
        self._records -= len(ours)
        self.events -= sum(not record.admits for record in ours)
        if not self._records:
            self._ended.set()
        return self.is_over

    def replace(self, record: Record) -> None:
        """This event is dropped; its marker has its ordinal, and is waited for instead."""
        self.events -= record.ordinal <= self._last_ordinal

    def end(self) -> None:
        """There is nothing more to wait for, whatever is left."""
        self._ended.set()

    def wait(self, timeout_s: float) -> None:
        """Return when there is nothing more to wait for, or the time is over."""
        self._ended.wait(timeout_s)
