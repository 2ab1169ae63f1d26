"""What goes to the topic: events as records, and the markers that admit a hole."""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from agent_runs.emitter.stats import DropReason
from agent_runs.encoding import encode_event
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


def marker(key: bytes, reason: DropReason, count: int) -> Record:
    """An `events_dropped` for a run."""
    count = min(count, _MOST_DROPS)
    event = EventsDropped(id=new_id(), timestamp=datetime.now(UTC), count=count, reason=reason)
    return Record(key, encode_event(event), essential=True, admits=count)
