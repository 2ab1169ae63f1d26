"""What became of the events: the numbers that an emitter answers with."""

from enum import StrEnum

from msgspec import Struct


class DropReason(StrEnum):
    """Why an event was dropped; the `reason` of the `events_dropped` that records it in its run."""

    NOT_CONFIGURED = "not_configured"  # the settings name no Kafka, or cannot be used
    INVALID = "invalid"  # wrong arguments, or an event that breaks the contract
    TOO_LARGE = "too_large"  # for the settings, for PostgreSQL, or for the topic
    QUEUE_FULL = "queue_full"  # Kafka was away, or slow, for longer than the queue lasts
    CLOSED = "closed"  # emitted after `close`, or when the interpreter was ending
    GIVEN_UP = "given_up"  # pending at the deadline of `close`; it may have arrived all the same


class Stats(Struct, frozen=True, kw_only=True):
    """Counts of this process; at every moment `emitted = sent + pending + sum(dropped.values())`.

    Attributes:
        emitted: every event that was handed over, whatever became of it.
        sent: acknowledged by all in-sync replicas.
        pending: accepted, and not acknowledged yet.
        dropped: by `DropReason`.
        recorded: how many of the dropped ones their runs know of, by `events_dropped` that Kafka has acknowledged.
    """

    emitted: int
    sent: int
    pending: int
    dropped: dict[str, int]
    recorded: int
