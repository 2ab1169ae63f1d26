"""Records of the topic: events, and the `events_dropped` markers that record dropped events in their run."""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from agent_runs.codec.decode import read_envelope
from agent_runs.codec.encode import encode_event
from agent_runs.emitter.stats import DropReason
from agent_runs.events import EventsDropped
from agent_runs.ids import id_problem, new_id

Headers = tuple[tuple[str, bytes], ...]

_OVERHEAD_BYTES: Final = 384  # Python's memory for a record with one header, beside key and value
_MAX_DROPPED_COUNT: Final = 2**31 - 1  # the contract's limit for `count`


class Record(Struct, gc=False):
    """An encoded event or marker of a run.

    Attributes:
        key: the run's id.
        value: the message.
        essential: may use the part of the queue that is reserved for events that decide a run's status.
        dropped_count: how many dropped events this marker records; 0 for an event.
        ordinal: position among all records accepted by this process; a marker that replaces an event has its ordinal.
        size: memory that the record takes of the queue, in bytes.
    """

    key: bytes
    value: bytes
    headers: Headers = ()
    essential: bool = False
    dropped_count: int = 0
    ordinal: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        self.size = _OVERHEAD_BYTES + len(self.key) + len(self.value)


def record_key(run_id: object) -> bytes | None:
    """The key of a run's records; None if the run's id is not valid."""
    return run_id.encode() if isinstance(run_id, str) and not id_problem(run_id) else None


def drop_marker(key: bytes, reason: DropReason, count: int, replaces: Record | None = None) -> Record:
    """Make the `events_dropped` record for dropped events of a run.

    A marker that replaces a record keeps the id of its event, since later events may name it as their parent, and its
    ordinal, since a flush that waits for the event then waits for the marker.
    """
    count = min(count, _MAX_DROPPED_COUNT)
    event_id = new_id() if replaces is None else read_envelope(replaces.value).id
    event = EventsDropped(id=event_id, timestamp=datetime.now(UTC), count=count, reason=reason)
    ordinal = 0 if replaces is None else replaces.ordinal
    return Record(key, encode_event(event), essential=True, dropped_count=count, ordinal=ordinal)
