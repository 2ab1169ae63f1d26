"""Makes the message of an event in the agent's thread: redacts, encodes and validates it.

An event is validated with `read_envelope`, as in the consumer, unless its fields already prove that it is valid. So an
accepted event does not become a dead letter, unless another event of its run has the same id.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from agent_runs.codec.decode import read_envelope
from agent_runs.codec.encode import encode_checked, encode_lossy
from agent_runs.codec.json_scan import MAX_VALUES, too_many_values
from agent_runs.emitter.buffer import unreserved
from agent_runs.emitter.rate_limited_log import RateLimitedLog
from agent_runs.emitter.redaction import Mask, redact, redact_further_fields
from agent_runs.emitter.settings import EmitterSettings
from agent_runs.errors import NotJson
from agent_runs.events import EventsDropped, Json, RunEvent, UnknownEvent

_RECORD_MARGIN_BYTES: Final = 1024  # the most that a record takes of the queue in addition to its value


class TooLarge(Exception):
    """An event is larger than the settings allow, or has more JSON values than the consumer accepts."""


class MessageMaker:
    """Makes messages with the mask and the size limit of one emitter."""

    def __init__(self, settings: EmitterSettings, mask: Mask | None, log: RateLimitedLog) -> None:
        self._mask = mask
        self._log = log
        # An event that does not fit even into an empty queue is too large.
        self._max_bytes = min(settings.max_event_bytes, unreserved(settings.queue_bytes) - _RECORD_MARGIN_BYTES)

    def make(self, event: RunEvent | UnknownEvent, further_fields: Mapping[str, Json] | None) -> bytes:
        """Return the message of an event.

        Args:
            event: the event.
            further_fields: as for `encode_checked`.

        Raises:
            UnreadableEvent: the consumer would not accept the message.
            TooLarge: the message is larger than the settings allow, or has too many JSON values for the consumer.
        """
        if self._mask is not None:
            event, further_fields = self._redact(self._mask, event, further_fields)
        value, is_valid = encode_checked(event, further_fields)
        if not is_valid:
            try:
                read_envelope(value)
            except NotJson:  # nested too deep, or the payload holds an object whose own encoding is not JSON
                value = encode_lossy(event, further_fields)
                read_envelope(value)
        if len(value) > self._max_bytes:
            raise TooLarge(f"{len(value)} bytes are more than {self._max_bytes}")
        if too_many_values(value):
            raise TooLarge(f"it holds more than {MAX_VALUES} JSON values")
        return value

    def redact_detail(self, detail: str) -> str:
        """Return the masked detail of an `events_dropped`, which may quote content."""
        if self._mask is None:
            return detail
        event = EventsDropped(id="", timestamp=datetime.now(UTC), count=1, detail=detail)
        masked = redact(event, self._mask, self._log_mask_failure)
        return str(masked.detail)  # type: ignore[union-attr]  # the copy is an EventsDropped too

    def _redact(
        self, mask: Mask, event: RunEvent | UnknownEvent, further_fields: Mapping[str, Json] | None
    ) -> tuple[RunEvent | UnknownEvent, Mapping[str, Json]]:
        if further_fields is None:
            further_fields = {} if isinstance(event, UnknownEvent) else event.further_fields
        redacted = redact_further_fields(event.type, further_fields, mask, self._log_mask_failure)
        return redact(event, mask, self._log_mask_failure), redacted

    def _log_mask_failure(self, field: str, failure: str) -> None:
        text = "The mask failed for %s: it %s; a placeholder replaces the content"
        self._log.warn(f"mask {field}", text, field, failure)
