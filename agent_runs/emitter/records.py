"""Records of the topic: encoded events, and encoded `events_dropped` markers."""

from typing import Final

from msgspec import Struct

from agent_runs.codec.decode import read_envelope
from agent_runs.events import EVENT_CLASSES
from agent_runs.ids import id_problem

Headers = tuple[tuple[str, bytes], ...]

_TYPE_FIRST: Final = b'{"type":"'
_TYPES: Final = {name.encode(): name for name in EVENT_CLASSES}
_OVERHEAD_BYTES: Final = 384  # the memory of a record with one header, in addition to its key and value


class Record(Struct, gc=False):
    """An encoded event or marker of a run.

    Attributes:
        key: the run's id.
        value: the message.
        essential: may use the reserved part of the queue. True for `run_started`, `run_waiting`, `run_resumed`,
            `run_completed`, `run_failed` and `events_dropped`.
        dropped_count: how many dropped events this marker records; 0 for an event.
        ordinal: position among all records accepted by this queue, from 1. A marker that replaces a record has the
            ordinal of that record.
        size: bytes of the queue's limit that this record uses.
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

    @property
    def event_type(self) -> str:
        """The `type` in the message."""
        # Nearly every message begins with its type. The type of a message from elsewhere may have escapes.
        if self.value.startswith(_TYPE_FIRST):
            name = self.value[len(_TYPE_FIRST) : self.value.find(b'"', len(_TYPE_FIRST))]
            if name in _TYPES:
                return _TYPES[name]
        return read_envelope(self.value).type


def record_key(run_id: object) -> bytes | None:
    """Return the key of a run's records; None if the run's id is not valid."""
    return run_id.encode() if isinstance(run_id, str) and not id_problem(run_id) else None
