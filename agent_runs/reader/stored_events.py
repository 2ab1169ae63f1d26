"""An event as it is stored: the typed event, its number in the run, and where its record is in the topic."""

from datetime import datetime
from typing import Any

import msgspec

from agent_runs.codec.decode import decode_stored_event
from agent_runs.errors import UnreadableEvent
from agent_runs.events import Event


class OpaqueEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A stored event that cannot become Python values, for example because a message was changed by hand.

    Attributes:
        id: the event's id.
        parent_event_id: the id of the event of the same run that caused this one.
        type: the message's `type`.
        error: why it cannot be decoded, as text.
        original: the stored message; None if PostgreSQL could not return it.
    """

    id: str
    parent_event_id: str | None = None
    type: str
    error: str
    original: bytes | None = None


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a run, with its number and the coordinates of its record.

    Attributes:
        seq: its number in the run: 0, 1, 2 … without gaps, in the order of the topic.
        created_at: the record's timestamp. The agent's own time is `event.timestamp`.
        partition: the partition of the record.
        offset: the offset of the record.
        event: the event; its `original` is the message as JSON. An event of a type that this version does not know is
            an `UnknownEvent`, one that cannot be decoded an `OpaqueEvent`.
        raw: the exact message as published, if PostgreSQL's JSONB cannot store its text; else None. `event` is decoded
            from `raw` if there is one, so that every text is exact.
    """

    seq: int
    created_at: datetime
    partition: int
    offset: int
    event: Event | OpaqueEvent
    raw: bytes | None = None

    @property
    def id(self) -> str:
        """The event's id."""
        return self.event.id

    @property
    def type(self) -> str:
        """The message's `type`, such as `tool_requested`."""
        return self.event.type

    def to_json(self) -> bytes:
        """Return the event as JSON on one line: `seq, created_at, partition, offset, event, raw`.

        `event` is the message as it was published. `raw` is base64, and there only if the event has it. An event that
        cannot be decoded has `id, parent_event_id, type, event, raw, error` after `offset`; its `event` is null.
        """
        return msgspec.json.encode(self._as_dict())

    def _as_dict(self) -> dict[str, Any]:
        event, message = self.event, self.event.original
        fields: dict[str, Any] = {
            "seq": self.seq,
            "created_at": self.created_at,
            "partition": self.partition,
            "offset": self.offset,
        }
        if isinstance(event, OpaqueEvent):
            fields |= {"id": event.id, "parent_event_id": event.parent_event_id, "type": event.type, "event": None}
            return fields | {"raw": self.raw or message, "error": event.error}
        # In valid JSON, line breaks are only between tokens.
        fields["event"] = event if message is None else msgspec.Raw(message.translate(None, b"\r\n"))
        return fields if self.raw is None else fields | {"raw": self.raw}


def event_of_message(
    message: bytes | None, *, id: str = "", parent_event_id: str | None = None, type: str = "", error: str = ""
) -> Event | OpaqueEvent:
    """Return the event of a stored message; an `OpaqueEvent` if it cannot be decoded.

    Args:
        message: the message as JSON; None if it could not be read.
        id: the id that the `OpaqueEvent` has, as the next two.
        parent_event_id: the id of the parent.
        type: the message's type.
        error: why there is no message.
    """
    if message is not None:
        try:
            return decode_stored_event(message)
        except (UnreadableEvent, ValueError, RecursionError) as problem:
            error = str(problem)
    return OpaqueEvent(id=id, parent_event_id=parent_event_id, type=type, error=error, original=message)
