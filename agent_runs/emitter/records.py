"""Records of the topic: encoded events, and encoded `events_dropped` markers."""

from typing import Final

from msgspec import Struct

from agent_runs.ids import id_problem

Headers = tuple[tuple[str, bytes], ...]

_OVERHEAD_BYTES: Final = 384  # Python's memory for a record with one header, beside key and value


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
