"""What goes to the topic: events as records, and the markers that admit a hole."""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from agent_runs.codec.decode import read_envelope
from agent_runs.codec.encode import encode_event
from agent_runs.emitter.stats import DropReason
from agent_runs.events import EventsDropped
from agent_runs.ids import new_id

Headers = tuple[tuple[str, bytes], ...]

_RECORD_BYTES: Final = 384  # what Python takes for a record beside key and value, with a header
_MOST_DROPS: Final = 2**31 - 1  # that one marker can admit


class Record(Struct, gc=False):
    """A message of a run, encoded.

    Attributes:
        key: the run's id.
        essential: may use the part of the queue that is kept free for what says how a run stands.
        admits: of a marker, how many events it says were dropped; 0 for an event.
        ordinal: its place among all that was accepted.
        size: what it takes of the queue, in bytes.
    """

    key: bytes
    value: bytes
    headers: Headers = ()
    essential: bool = False
    admits: int = 0
    ordinal: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        self.size = _RECORD_BYTES + len(self.key) + len(self.value)


def marker(key: bytes, reason: DropReason, count: int, instead_of: Record | None = None) -> Record:
    """An `events_dropped` for a run; it may stand in the place of one record, and then under the id of its event."""
    count = min(count, _MOST_DROPS)
    # What came later may name the event as its parent, and whoever waits for the one waits for the other.
    event_id = new_id() if instead_of is None else read_envelope(instead_of.value).id
    event = EventsDropped(id=event_id, timestamp=datetime.now(UTC), count=count, reason=reason)
    ordinal = 0 if instead_of is None else instead_of.ordinal
    return Record(key, encode_event(event), essential=True, admits=count, ordinal=ordinal)
