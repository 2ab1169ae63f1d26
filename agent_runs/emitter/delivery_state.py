"""State shared by the successive sessions of one delivery.

It holds the unacknowledged records, the reasons logged in the present outage, and whether the delivery must end.
"""

from collections.abc import Callable, Sequence
from logging import INFO, WARNING
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Final

from agent_runs.backoff import backoff_s
from agent_runs.emitter.rate_limited_log import log_safely
from agent_runs.emitter.records import Record
from agent_runs.emitter.send_queue import SendQueue
from agent_runs.emitter.settings import Config

if TYPE_CHECKING:
    from agent_runs.emitter.event_loop import Waker

_FIRST_RETRY_S: Final = 0.1
_LONGEST_RETRY_S: Final = 5.0
_MAX_REASONS: Final = 10  # logged for one outage


class DeliveryState:
    """The state of the delivery of one emitter in one process.

    Attributes:
        queue: the queue that the sessions send.
        config: the settings.
        backlog: unacknowledged records of the last session, in order; the next session sends them first.
        waker: wakes the running session; None while no session is connected.
        in_flight: returns the unacknowledged records of the running session; None while no session is connected.
    """

    def __init__(self, queue: SendQueue, config: Config) -> None:
        self.queue = queue
        self.config = config
        self.backlog: list[Record] = []
        self.waker: Waker | None = None
        self.in_flight: Callable[[], list[Record]] | None = None
        self._stopped = Event()
        self._stops_when_empty = False
        self._failures = 0  # sessions that ended since the last acknowledgement
        self._logged_reasons: set[str] = set()  # of the present outage; empty if there is none
        self._outage_began_at = 0.0
        self._dropped_before_outage = 0

    @property
    def must_end(self) -> bool:
        """Whether the delivery must end: after `stop`, or after `stop_when_empty` once the queue is empty."""
        return self._stopped.is_set() or (self._stops_when_empty and self.queue.is_empty)

    def take(self) -> list[Record]:
        """Remove and return the records to send next, in order: the backlog, or the waiting records of the queue."""
        backlog, self.backlog = self.backlog, []
        return backlog or self.queue.take()

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Count records that Kafka has acknowledged, and log the end of an outage."""
        self.queue.acknowledge(records)
        self._failures = 0
        if self._logged_reasons:
            self._logged_reasons.clear()
            text = "Kafka accepts events again after %.1f s; %d events are pending, and %d were dropped meanwhile"
            stats = self.queue.stats()
            dropped = sum(stats.dropped.values()) - self._dropped_before_outage
            log_safely(INFO, text, monotonic() - self._outage_began_at, stats.pending, dropped)

    def log_failure(self, reason: str) -> None:
        """Log why Kafka does not accept events: each reason once in an outage, and at most ten reasons."""
        if not self._logged_reasons:
            self._outage_began_at = monotonic()
            self._dropped_before_outage = sum(self.queue.stats().dropped.values())
        if reason not in self._logged_reasons and len(self._logged_reasons) < _MAX_REASONS:
            self._logged_reasons.add(reason)
            text = (
                "Kafka does not accept events (%s). "
                "Unsent events stay in the queue and are sent when Kafka accepts them again"
            )
            log_safely(WARNING, text, reason)

    def unacknowledged(self) -> list[Record]:
        """Return the records that Kafka has not acknowledged; for any thread, so a few may be missing or twice."""
        in_flight = self.in_flight
        return [*(in_flight() if in_flight else self.backlog), *self.queue.waiting]

    def wait_before_retry(self) -> None:
        """Wait before the next session, longer after each failure; `stop` ends the wait."""
        if not self.must_end:
            self._stopped.wait(backoff_s(self._failures, _FIRST_RETRY_S, _LONGEST_RETRY_S))
            self._failures += 1

    def wake(self) -> None:
        """Wake the running session, if it is connected."""
        waker = self.waker
        if waker is not None:
            waker.wake()

    def stop(self) -> None:
        """End the delivery, even if records are not acknowledged."""
        self._stopped.set()
        self.wake()

    def stop_when_empty(self) -> None:
        """End the delivery once the queue is empty."""
        self._stops_when_empty = True
        self.wake()
