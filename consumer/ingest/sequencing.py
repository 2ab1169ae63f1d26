"""Assigns sequence numbers to events and folds the events into the heads of their runs. Does no I/O."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from agent_runs.codec.records import Reason
from agent_runs.status import RunState, fold
from consumer.model.records import Event, Rejection

# The ranges of columns: event_count and event_seq are integer, dropped_events is bigint.
MAX_EVENT_COUNT: Final = 2**31 - 1
MAX_DROPPED_EVENTS: Final = 2**63 - 1
_MAX_DROPPED_BY_ONE_EVENT: Final = 2**31 - 1  # by the message contract
NO_EVENTS: Final = RunState()


class Head(msgspec.Struct, kw_only=True):
    """The next sequence number and the state of a run, and the columns that the folded events change.

    Times are in milliseconds since 1970. None in a field after `started`: none of the folded events sets the column.

    Attributes:
        state: the state of the run after the folded events.
        stored: the state of the run in the tables.
        event_count: the number of the run's events, which is also the sequence number of its next event.
        started: whether the run has a `run_started`. Only the first one sets `started_at`, `agent_id`, `session_id`,
            `parent_run_id` and `labels`.
        dropped_events: the sum of the counts of the run's `events_dropped`.
    """

    run_id: str
    state: RunState = NO_EVENTS
    stored: RunState = NO_EVENTS
    event_count: int = 0
    dropped_events: int = 0
    started: bool = False

    created_at: int | None = None
    updated_at: int | None = None
    status_changed_at: int | None = None
    started_at: int | None = None
    agent_id: str | None = None
    session_id: str | None = None
    parent_run_id: str | None = None
    labels: Mapping[str, str] | None = None


def reject_beyond_limits(events: Sequence[Event], heads: Mapping[str, Head]) -> tuple[Sequence[Event], list[Rejection]]:
    """Return the events that their runs can hold, and the rejections of those that exceed the range of a column."""
    most_events = max(head.event_count for head in heads.values()) + len(events)
    most_dropped = max(head.dropped_events for head in heads.values()) + len(events) * _MAX_DROPPED_BY_ONE_EVENT
    if most_events <= MAX_EVENT_COUNT and most_dropped <= MAX_DROPPED_EVENTS:
        return events, []  # nearly every batch
    totals = {run_id: (head.event_count, head.dropped_events) for run_id, head in heads.items()}
    fitting, rejections = [], []
    for event in events:
        count, dropped = totals[event.run_id]
        dropped += event.envelope.count if event.envelope.type == "events_dropped" else 0  # type: ignore[union-attr]
        if count == MAX_EVENT_COUNT:
            detail = f"run {event.run_id!r} is full: it has {count} events"
        elif dropped > MAX_DROPPED_EVENTS:
            detail = f"run {event.run_id!r} would have more than {MAX_DROPPED_EVENTS} dropped events"
        else:
            totals[event.run_id] = count + 1, dropped
            fitting.append(event)
            continue
        rejections.append(Rejection(event.record, Reason.STORE_REJECTED, detail))
    return fitting, rejections


def assign_sequence_numbers(events: Iterable[Event], heads: Mapping[str, Head]) -> list[int]:
    """Fold the events, in order, into the heads of their runs, by run id. Returns the sequence number of each event."""
    return [advance(heads[event.run_id], event) for event in events]


def advance(head: Head, event: Event) -> int:
    """Fold one event into the head of its run. Returns its sequence number."""
    envelope, at = event.envelope, event.record.timestamp
    seq = head.event_count
    head.event_count = seq + 1
    head.updated_at = at
    if seq == 0:
        head.created_at = head.status_changed_at = at
    before = head.state
    state = fold(before, envelope)
    if state is not before:
        head.state = state
        if state.status is not before.status:
            head.status_changed_at = at
    event_type = envelope.type
    if event_type == "events_dropped":
        head.dropped_events += envelope.count  # type: ignore[union-attr]  # an events_dropped has a count
    elif event_type == "run_started" and not head.started:
        _start(head, event)
    return seq


def _start(head: Head, event: Event) -> None:
    run_started = event.envelope
    head.started, head.started_at = True, event.record.timestamp
    head.agent_id = run_started.agent_id  # type: ignore[union-attr]  # a run_started has these four
    head.session_id = run_started.session_id  # type: ignore[union-attr]
    head.parent_run_id = run_started.parent_run_id  # type: ignore[union-attr]
    head.labels = run_started.labels  # type: ignore[union-attr]


def first_run_started_events(events: Iterable[Event]) -> list[Event]:
    """Return the first `run_started` of each run among the events."""
    first: dict[str, Event] = {}
    for event in events:
        if event.envelope.type == "run_started":
            first.setdefault(event.run_id, event)
    return list(first.values())


def named_parents(run_started_events: Sequence[Event]) -> dict[str, int]:
    """Return the parent runs that the events name, each with the timestamp of the earliest event that names it."""
    parents: dict[str, int] = {}
    for event in run_started_events:
        parent: str | None = event.envelope.parent_run_id  # type: ignore[union-attr]
        if parent is not None:
            parents[parent] = min(event.record.timestamp, parents.get(parent, event.record.timestamp))
    return parents
