"""Why events are dropped, and the marker that records dropped events in their run.

These modules decide it: `pipeline` (not configured, closed, invalid, too large for the settings), `send_queue` and
`buffer` (the queue is full; given up), `session` (too large for the topic), `never_raise` (a call raised: invalid).
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from agent_runs.codec.decode import read_envelope
from agent_runs.codec.encode import encode_event
from agent_runs.emitter.records import Record
from agent_runs.events import EventsDropped
from agent_runs.ids import new_id

_MAX_DROPPED_COUNT: Final = 2**31 - 1  # the contract's limit for `count`


class DropReason(StrEnum):
    """Why an event was dropped; the `reason` of the `events_dropped` event that records it in its run."""

    NOT_CONFIGURED = "not_configured"  # the settings name no Kafka broker, or are not valid
    INVALID = "invalid"  # wrong arguments, or an event that breaks the contract
    TOO_LARGE = "too_large"  # for the settings, for PostgreSQL, or for the topic
    QUEUE_FULL = "queue_full"  # the queue had no room, because Kafka was unavailable or slow
    CLOSED = "closed"  # emitted after `close`, or while the interpreter shut down
    GIVEN_UP = "given_up"  # not acknowledged when the timeout of `close` ended; Kafka may have stored it


def drop_marker(key: bytes, reason: DropReason, count: int, replaces: Record | None = None) -> Record:
    """Make the `events_dropped` record for dropped events of a run.

    A marker that replaces a record keeps the id of the record's event, because later events may name it as their
    parent. It also keeps the record's ordinal, so that a flush that waits for the record waits for the marker.
    """
    count = min(count, _MAX_DROPPED_COUNT)
    event_id = new_id() if replaces is None else read_envelope(replaces.value).id
    event = EventsDropped(id=event_id, timestamp=datetime.now(UTC), count=count, reason=reason)
    ordinal = 0 if replaces is None else replaces.ordinal
    return Record(key, encode_event(event), essential=True, dropped_count=count, ordinal=ordinal)
