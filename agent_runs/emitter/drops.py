"""Why events are dropped, and the marker that records dropped events in their run.

These modules decide it: `pipeline` (not configured, closed, invalid, too large for the settings), `send_queue` and
`buffer` (the queue is full; given up), `session` (too large for the topic), `never_raise` (a call raised: invalid).
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from agent_runs.codec.decode import read_envelope
from agent_runs.codec.encode import encode_event
from agent_runs.emitter.records import Record
from agent_runs.events import EventsDropped
from agent_runs.ids import new_id

MAX_TYPES: Final = 32  # in one marker; agents can emit events of any number of types
MAX_DETAIL_CHARACTERS: Final = 200

_MAX_DROPPED_COUNT: Final = 2**31 - 1  # the contract's limit for `count`


class DropReason(StrEnum):
    """Why an event was dropped; the `reason` of the `events_dropped` event that records it in its run."""

    NOT_CONFIGURED = "not_configured"  # the settings name no Kafka broker, or are not valid
    INVALID = "invalid"  # wrong arguments, or an event that breaks the contract
    TOO_LARGE = "too_large"  # for the settings, for PostgreSQL, or for the topic
    QUEUE_FULL = "queue_full"  # the queue had no room, because Kafka was unavailable or slow
    CLOSED = "closed"  # emitted after `close`, or while the interpreter shut down
    GIVEN_UP = "given_up"  # not acknowledged when the timeout of `close` ended; Kafka may have stored it

    __hash__ = str.__hash__  # the one of `Enum` is written in Python, and a full queue hashes a reason at every call


QUEUE_FULL: Final = "the queue is full until Kafka acknowledges events"


class Drops(Struct):
    """Events of one run that were dropped for one reason.

    Attributes:
        detail: the reason in words, of the first of them; at most `MAX_DETAIL_CHARACTERS`.
        count: how many events were dropped.
        types: how many of them had each type, of the first `MAX_TYPES` types.
    """

    detail: str
    count: int = 0
    types: dict[str, int] = {}

    def add(self, event_type: str | None) -> None:
        """Count one more event; None if its type is not known."""
        self.count += 1
        if event_type in self.types or (event_type is not None and len(self.types) < MAX_TYPES):
            self.types[event_type] = self.types.get(event_type, 0) + 1


def shorten(detail: str) -> str:
    """Return the text, cut off after `MAX_DETAIL_CHARACTERS`."""
    return detail if len(detail) <= MAX_DETAIL_CHARACTERS else f"{detail[: MAX_DETAIL_CHARACTERS - 1]}…"


def drop_marker(key: bytes, reason: DropReason, drops: Drops, replaces: Record | None = None) -> Record:
    """Make the `events_dropped` record for dropped events of a run.

    A marker that replaces a record keeps the id of the record's event, because later events may name it as their
    parent. It also keeps the record's ordinal, so that a flush that waits for the record waits for the marker.
    """
    count = min(drops.count, _MAX_DROPPED_COUNT)
    event_id = new_id() if replaces is None else read_envelope(replaces.value).id
    types = {name: min(number, _MAX_DROPPED_COUNT) for name, number in drops.types.items()}
    event = EventsDropped(
        id=event_id,
        timestamp=datetime.now(UTC),
        count=count,
        reason=reason,
        types=types or None,
        detail=drops.detail or None,
    )
    ordinal = 0 if replaces is None else replaces.ordinal
    return Record(key, encode_event(event), essential=True, dropped_count=count, ordinal=ordinal)
