"""The counts of an emitter."""

from enum import StrEnum

from msgspec import Struct


class DropReason(StrEnum):
    """Why an event was dropped; the `reason` of the `events_dropped` event that records it in its run."""

    NOT_CONFIGURED = "not_configured"  # the settings name no Kafka broker, or are not valid
    INVALID = "invalid"  # wrong arguments, or an event that breaks the contract
    TOO_LARGE = "too_large"  # for the settings, for PostgreSQL, or for the topic
    QUEUE_FULL = "queue_full"  # Kafka was unavailable or slow until the queue was full
    CLOSED = "closed"  # emitted after `close`, or while the interpreter shut down
    GIVEN_UP = "given_up"  # not acknowledged when the timeout of `close` ended; Kafka may have stored it


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
