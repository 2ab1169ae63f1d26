"""The counts of an emitter."""

from msgspec import Struct


class Stats(Struct, frozen=True, kw_only=True):
    """Counts of events in this process: `emitted = sent + pending + sum(dropped.values())`.

    Counts that are read inside an emit, as in a signal handler or a finaliser, may not add up.

    Attributes:
        emitted: all events passed to the emitter, including dropped ones.
        sent: events acknowledged by all in-sync replicas.
        pending: accepted events that are neither acknowledged nor dropped.
        dropped: number of dropped events by `DropReason`, without the reasons that have none.
        recorded: dropped events that an acknowledged `events_dropped` event records in their run.
    """

    emitted: int
    sent: int
    pending: int
    dropped: dict[str, int]
    recorded: int
