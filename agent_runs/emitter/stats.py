"""The counts of an emitter."""

from msgspec import Struct


class Stats(Struct, frozen=True, kw_only=True):
    """Counts of events in this process; `emitted = sent + pending + sum(dropped.values())` at every moment.

    Attributes:
        emitted: all events passed to the emitter, including dropped ones.
        sent: events acknowledged by all in-sync replicas.
        pending: events accepted and not acknowledged yet.
        dropped: dropped events by `DropReason`; reasons without a drop are missing.
        recorded: dropped events that an acknowledged `events_dropped` event records in their run.
    """

    emitted: int
    sent: int
    pending: int
    dropped: dict[str, int]
    recorded: int
