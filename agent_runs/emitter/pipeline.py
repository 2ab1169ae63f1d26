"""The way of an event from an agent's call into the outbox: masked, encoded, judged, all in the caller's thread.

The judge is the function by which the service judges too: what is accepted here is no dead letter there. He is asked
about whatever is not plain to see.
"""

import sys
from collections.abc import Callable
from math import isnan
from time import monotonic
from typing import Final, Protocol

from agent_runs.codec.decode import read_envelope
from agent_runs.codec.encode import encode_checked, encode_lossy
from agent_runs.codec.scan import MAX_VALUES, too_many_values
from agent_runs.emitter import lifecycle
from agent_runs.emitter.buffer import ordinary_part
from agent_runs.emitter.rate_limited_log import Complaints
from agent_runs.emitter.records import Record
from agent_runs.emitter.redaction import Mask, masked
from agent_runs.emitter.send_queue import Outbox
from agent_runs.emitter.settings import EmitterSettings
from agent_runs.emitter.stats import DropReason, Stats
from agent_runs.emitter.tracing import trace_headers
from agent_runs.errors import NotJson, UnreadableEvent
from agent_runs.events import (
    EventsDropped,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunResumed,
    RunStarted,
    RunWaiting,
    UnknownEvent,
)
from agent_runs.ids import id_problem

# How a run stands is worth more than what was said in it.
_ESSENTIAL: Final = frozenset({RunStarted, RunWaiting, RunResumed, RunCompleted, RunFailed, EventsDropped})
_MARGIN_BYTES: Final = 1024  # what a record may take beside its value

_REFUSALS: Final = {
    DropReason.NOT_CONFIGURED: "the settings name no Kafka, or cannot be used",
    DropReason.CLOSED: "the emitter is closed",
    DropReason.QUEUE_FULL: "the queue is full, and will take no event before Kafka does",
}


def key_of(run_id: object) -> bytes | None:
    """The key of a run's records; None if that is no id."""
    return run_id.encode() if isinstance(run_id, str) and not id_problem(run_id) else None


class Carrier(Protocol):
    """Takes records out of an outbox, and says there what became of them."""

    def wake(self) -> None:
        """There is something to take."""

    def stop(self) -> None:
        """End, whatever is left."""

    def retire(self) -> None:
        """End once nothing is left."""

    def finish(self, deadline: float) -> None:
        """Send what is left until that time (`time.monotonic`), and say what is left then."""


class Channel:
    """What an emitter and all its runs share. Without a carrier nothing is configured, and every event is refused."""

    def __init__(
        self, settings: EmitterSettings, mask: Mask | None, new_carrier: Callable[[Outbox], Carrier] | None
    ) -> None:
        self._settings = settings
        self._mask = mask
        self._new_carrier = new_carrier
        self._complaints = Complaints()
        self._is_closed = False
        # What would not be accepted however empty the queue is, is too large.
        self._most_bytes = min(settings.max_event_bytes, ordinary_part(settings.queue_bytes) - _MARGIN_BYTES)
        lifecycle.current()
        lifecycle.look_after(self)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Empty, and with a carrier of its own: at first, and in the child of a fork."""
        refuses = None if self._new_carrier else DropReason.NOT_CONFIGURED
        self._outbox = Outbox(self._settings.queue_bytes, self._settings.queue_events, refuses)
        self._carrier = self._new_carrier(self._outbox) if self._new_carrier else None
        if self._carrier is not None:
            self._outbox.wake = self._carrier.wake
        if self._is_closed:
            self._outbox.close()
        self._late_s = self._settings.exit_timeout_s

    def put(self, key: bytes | None, event: RunEvent | UnknownEvent) -> bool:
        """Hand an event over, for the run of this key (None: it has no valid id). Whether it was accepted."""
        is_ending = lifecycle.current().is_ending
        if is_ending and sys.is_finalizing():
            self._outbox.close()  # no thread runs any more
        outbox = self._outbox
        if outbox.refuses:
            return self._drop(key, outbox.refuses, "", _REFUSALS[outbox.refuses])
        if key is None:
            return self._drop(None, DropReason.INVALID, "run", f"{event.type}: the id of its run is not valid")
        try:
            value = self._snapshot(event)
        except _TooLarge as error:
            return self._drop(key, DropReason.TOO_LARGE, event.type, f"{event.type}: {error}")
        except UnreadableEvent as error:
            return self._drop(key, DropReason.INVALID, f"{event.type}: {error}", f"{event.type}: {error}")
        accepted = outbox.offer(Record(key, value, trace_headers(), type(event) in _ESSENTIAL))
        if accepted is False:
            reason = outbox.refuses or DropReason.QUEUE_FULL
            self._complain(key, reason, "", _REFUSALS[reason])
        if is_ending:
            self._flush_late()
        return bool(accepted)

    def misused(self, key: bytes | None, call: str, error: Exception) -> None:
        """Count an event that a call was meant to be."""
        why = f"{call}: {type(error).__name__}: {error}"
        self._drop(key, DropReason.INVALID, why, why)

    def flush(self, timeout_s: float | None) -> int:
        """Wait for what was accepted so far. Returns how many events of it Kafka has not acknowledged."""
        lifecycle.current()
        return self._outbox.flush(self._deadline(timeout_s))

    def close(self, timeout_s: float | None) -> int:
        """Refuse what comes, wait for what is there, end. Returns how many events Kafka has not acknowledged."""
        lifecycle.current()
        self._is_closed = True
        self._outbox.close()
        carrier = self._carrier
        if carrier is None:
            return 0
        if self._outbox.is_within:  # a signal handler's call, in the middle of an emit: to wait would be to wait for it
            carrier.retire()
            return self._outbox.flush(0)
        self._outbox.drain(self._deadline(timeout_s))
        carrier.stop()
        given_up = self._outbox.give_up()
        if given_up:
            self._complaints.warn("close", "Closed: %d events are given up, Kafka has not acknowledged them", given_up)
        return given_up

    @property
    def exit_timeout_s(self) -> float:
        """How long the end of the process may wait."""
        return self._settings.exit_timeout_s

    def finish(self, deadline: float) -> None:
        """Send what is pending until that time, and say what is left."""
        if self._carrier is not None:
            self._carrier.finish(deadline)

    def _flush_late(self) -> None:
        """The process ends, and nobody comes after us: send this one now, in what time is left for all of them."""
        if self._carrier is not None and not self._outbox.is_within:
            began = monotonic()
            self._carrier.finish(began + self._late_s)
            self._late_s -= monotonic() - began

    def stats(self) -> Stats:
        """The counts of this process."""
        lifecycle.current()
        return self._outbox.stats()

    def _deadline(self, timeout_s: object) -> float:
        """What is no number of seconds is the default."""
        is_number = isinstance(timeout_s, int | float) and not isnan(timeout_s)
        return monotonic() + (timeout_s if is_number else self._settings.exit_timeout_s)  # type: ignore[operator]

    def _snapshot(self, event: RunEvent | UnknownEvent) -> bytes:
        """The message, as it is now and as the service would take it."""
        if self._mask is not None:
            event = masked(event, self._mask, self._complain_of_mask)
        value, is_valid = encode_checked(event)
        if not is_valid:
            try:
                read_envelope(value)
            except NotJson:  # nested too deep, or something that encodes itself and does it badly
                value = encode_lossy(event)
                read_envelope(value)
        if len(value) > self._most_bytes:
            raise _TooLarge(f"{len(value)} bytes are more than {self._most_bytes}")
        if too_many_values(value):
            raise _TooLarge(f"it holds more than {MAX_VALUES} JSON values")
        return value

    def _drop(self, key: bytes | None, reason: DropReason, about: str, why: str) -> bool:
        self._outbox.drop(key, reason)
        self._complain(key, reason, about, why)
        return False

    def _complain(self, key: bytes | None, reason: DropReason, about: str, why: str) -> None:
        """Once a minute for each reason, and of wrong use for each way that it was wrong."""
        run = "no run" if key is None else f"run {key.decode()!r}"
        dropped = self._outbox.stats().dropped.get(reason, 0)
        message = "Dropped an event of %s, %s: %s (%d so far for this reason)"
        self._complaints.warn(f"{reason} {about}", message, run, reason, why, dropped)

    def _complain_of_mask(self, field: str, what: str) -> None:
        self._complaints.warn(f"mask {field}", "The mask failed for %s: it %s; a note is sent instead", field, what)

    def __del__(self) -> None:
        carrier = getattr(self, "_carrier", None)
        if carrier is not None:
            carrier.retire()


class SilentChannel:
    """The channel of an emitter that is switched off."""

    def put(self, key: bytes | None, event: RunEvent | UnknownEvent) -> bool:  # noqa: ARG002
        """Nothing."""
        return True

    def misused(self, key: bytes | None, call: str, error: Exception) -> None:
        """Nothing."""

    def flush(self, timeout_s: float | None) -> int:  # noqa: ARG002
        """Nothing is ever left."""
        return 0

    def close(self, timeout_s: float | None) -> int:  # noqa: ARG002
        """Nothing is ever left."""
        return 0

    def stats(self) -> Stats:
        """Nothing was ever emitted."""
        return Stats(emitted=0, sent=0, pending=0, dropped={}, recorded=0)


class _TooLarge(Exception):
    """An event that no topic of ours takes."""
