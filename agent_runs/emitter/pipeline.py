"""Takes an event from the agent's call into the send queue, in the agent's thread."""

import sys
from collections.abc import Callable, Mapping
from math import isnan
from time import monotonic
from typing import Final, Protocol

from agent_runs.emitter.drops import QUEUE_FULL, DropReason, shorten
from agent_runs.emitter.fork_and_exit import Process, current_process, register
from agent_runs.emitter.last_events import new_emitter_number
from agent_runs.emitter.messages import MessageMaker, TooLarge
from agent_runs.emitter.never_raise import format_error
from agent_runs.emitter.pending import describe_pending
from agent_runs.emitter.pickling import SharedPipeline
from agent_runs.emitter.rate_limited_log import RateLimitedLog
from agent_runs.emitter.records import Record
from agent_runs.emitter.redaction import Mask
from agent_runs.emitter.send_queue import SendQueue
from agent_runs.emitter.settings import EmitterSettings
from agent_runs.emitter.stats import Stats
from agent_runs.emitter.tracing import trace_headers
from agent_runs.errors import UnreadableEvent
from agent_runs.events import (
    EventsDropped,
    Json,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunResumed,
    RunStarted,
    RunWaiting,
    UnknownEvent,
)

# A run's start, pauses and end, and its dropped events, matter more than its content: they may use the reserved part of
# the queue.
_ESSENTIAL: Final = frozenset({RunStarted, RunWaiting, RunResumed, RunCompleted, RunFailed, EventsDropped})

_REFUSALS: Final = {
    DropReason.NOT_CONFIGURED: "the emitter's settings are missing or not valid",
    DropReason.CLOSED: "the emitter is closed",
    DropReason.QUEUE_FULL: QUEUE_FULL,
}


class Transport(Protocol):
    """Takes records out of a `SendQueue`, sends them, and reports the result to the queue."""

    def wake(self) -> None:
        """Start sending the queued records, if that is not happening already."""

    def stop(self) -> None:
        """Stop sending, even if records are not acknowledged."""

    def stop_when_empty(self) -> None:
        """Stop sending once the queue is empty."""

    def finish(self, deadline: float) -> None:
        """Send pending events until the deadline (`time.monotonic`), and log the number that is left."""

    def unacknowledged(self) -> list[Record]:
        """Return the records that were taken or are waiting, and are not acknowledged."""


class Pipeline(SharedPipeline):
    """Takes the events of an emitter and its runs into a send queue.

    Without a transport the emitter is not configured, and every event is refused.

    Attributes:
        number: distinguishes the emitters of a process.
    """

    def __init__(
        self, settings: EmitterSettings, mask: Mask | None, new_transport: Callable[[SendQueue], Transport] | None
    ) -> None:
        super().__init__(new_emitter_number())
        self._settings = settings
        self._new_transport = new_transport
        self._log = RateLimitedLog()
        self._messages = MessageMaker(settings, mask, self._log)
        if new_transport is None:  # an error of the emitter says that every event is dropped
            self._log.skip(f"{DropReason.NOT_CONFIGURED} ")
        current_process()
        register(self)
        self.reset()

    def reset(self) -> None:
        """Start with an empty queue and a new transport: in the constructor, and in the child of a fork."""
        refusal = None if self._new_transport else DropReason.NOT_CONFIGURED
        self._queue = SendQueue(self._settings.queue_bytes, self._settings.queue_events, refusal)
        self._transport = self._new_transport(self._queue) if self._new_transport else None
        if self._transport is not None:
            self._queue.wake = self._transport.wake
        if self.is_closed:
            self._queue.close()
        self._late_timeout_s = self._settings.exit_timeout_s

    def put(
        self,
        process: Process,
        key: bytes | None,
        event: RunEvent | UnknownEvent,
        further_fields: Mapping[str, Json] | None = None,
    ) -> bool:
        """Queue an event for a run, or drop it.

        Args:
            process: the current process.
            key: the key of the run's records; None if the run's id is not valid.
            event: the event.
            further_fields: as for `encode_checked`.

        Returns:
            Whether it was accepted; False also if the queue decides that later.
        """
        is_ending = process.is_ending
        if is_ending and sys.is_finalizing():
            self._queue.close()  # no thread runs any more
        queue = self._queue
        if queue.refusal:
            return self._drop(key, queue.refusal, None, "", _REFUSALS[queue.refusal])
        if key is None:
            return self._drop(None, DropReason.INVALID, event.type, "run", f"{event.type}: the run's id is not valid")
        try:
            value = self._messages.make(event, further_fields)
        except TooLarge as error:
            return self._drop(key, DropReason.TOO_LARGE, event.type, event.type, f"{event.type}: {error}")
        except UnreadableEvent as error:
            why = f"{event.type}: {error}"
            return self._drop(key, DropReason.INVALID, event.type, why, why)
        accepted = queue.offer(Record(key, value, trace_headers(), type(event) in _ESSENTIAL))
        if accepted is False:
            reason = queue.refusal or DropReason.QUEUE_FULL
            self._log_drop(key, reason, "", _REFUSALS[reason])
        if is_ending:
            self._send_late_event()
        return bool(accepted)

    def count_misuse(self, key: bytes | None, call: str, event_type: str | None, error: Exception) -> None:
        """Count a dropped event for a call that raised `error` instead of emitting one."""
        why = f"{call}: {format_error(error)}"
        self._drop(key, DropReason.INVALID, event_type, why, why)

    def log_rename(self, event_type: str, name: str, stored_name: str) -> None:
        """Log that a further field is stored under another name, because the event has a field of this name."""
        text = "The field %r of an event of type %s is stored as %r, because the event has another field of this name"
        self._log.warn(f"rename {event_type} {name}", text, name, event_type, stored_name)

    def log_label_problem(self, problem: str) -> None:
        """Log that labels of a run are left out."""
        self._log.warn("labels", "Labels of a run are left out: %s", problem)

    def flush(self, timeout_s: float | None) -> int:
        """Wait until the events accepted so far are acknowledged or dropped. Returns how many of them are left."""
        current_process()
        return self._queue.flush(self._deadline(timeout_s))

    def close(self, timeout_s: float | None) -> int:
        """Refuse new events, wait for the pending ones, and end. Returns how many were still pending."""
        current_process()
        self.is_closed = True
        self._queue.close()
        transport = self._transport
        if transport is None:
            return 0
        if self._queue.must_not_wait:  # a signal handler closes in the middle of an emit: send in the background
            transport.stop_when_empty()
            return self._queue.flush(0)
        self._queue.drain(self._deadline(timeout_s))
        pending = describe_pending(transport.unacknowledged())
        transport.stop()
        given_up = self._queue.give_up()
        if given_up:
            text = (
                "The emitter was closed before Kafka acknowledged all events; %d dropped (given_up): %s. "
                "Pass a larger timeout_s to `close` to wait longer"
            )
            self._log.warn("close", text, given_up, pending)
        return given_up

    @property
    def exit_timeout_s(self) -> float:
        """The longest time that the end of the process waits for this pipeline."""
        return self._settings.exit_timeout_s

    def finish(self, deadline: float) -> None:
        """Send pending events until the deadline (`time.monotonic`), and log the number that is left."""
        if self._transport is not None:
            self._transport.finish(deadline)

    def _send_late_event(self) -> None:
        """Send an event in the call that emits it, because the process ends. All such events share one timeout."""
        if self._transport is not None and not self._queue.must_not_wait:
            began = monotonic()
            self._transport.finish(began + self._late_timeout_s)
            self._late_timeout_s -= monotonic() - began

    def stats(self) -> Stats:
        """Return the counts of this process."""
        current_process()
        return self._queue.stats()

    def _deadline(self, timeout_s: object) -> float:
        is_number = isinstance(timeout_s, int | float) and not isnan(timeout_s)
        return monotonic() + (timeout_s if is_number else self._settings.exit_timeout_s)  # type: ignore[operator]

    def _drop(self, key: bytes | None, reason: DropReason, event_type: str | None, subject: str, why: str) -> bool:
        self._queue.drop(key, reason, event_type, self._messages.redact_detail(shorten(why)))
        self._log_drop(key, reason, subject, why)
        return False

    def _log_drop(self, key: bytes | None, reason: DropReason, subject: str, why: str) -> None:
        run = "no run" if key is None else f"run {key.decode()!r}"
        dropped = self._queue.stats().dropped.get(reason, 0)
        message = "Dropped an event of %s, %s: %s (%d dropped so far for this reason)"
        self._log.warn(f"{reason} {subject}", message, run, reason, why, dropped)

    def __del__(self) -> None:
        transport = getattr(self, "_transport", None)
        if transport is not None:
            transport.stop_when_empty()
