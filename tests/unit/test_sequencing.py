"""Sequence numbers, and the fold of events into the heads of their runs."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runs.codec.records import Reason
from agent_runs.status import RunStatus
from consumer.ingest.sequencing import (
    MAX_DROPPED_EVENTS,
    MAX_EVENT_COUNT,
    Head,
    advance,
    assign_sequence_numbers,
    first_run_started_events,
    named_parents,
    reject_beyond_limits,
)
from consumer.model.records import Event
from consumer.postgres.copy_format import encode_events
from tests.support.builders import event


def fold(*events: Event, head: Head | None = None) -> Head:
    head = head or Head(run_id="r1")
    assign_sequence_numbers(events, {head.run_id: head})
    return head


def test_events_are_numbered_within_their_runs_from_the_runs_event_counts() -> None:
    heads = {"a": Head(run_id="a"), "b": Head(run_id="b", event_count=41)}
    events = [event(run=run) for run in ("a", "b", "a", "a", "b")]

    assert assign_sequence_numbers(events, heads) == [0, 41, 1, 2, 42]
    assert (heads["a"].event_count, heads["b"].event_count) == (3, 43)


def test_a_run_is_created_by_its_first_event_and_updated_by_its_last() -> None:
    head = fold(event(timestamp=50), event("llm_called", timestamp=40), event("llm_called", timestamp=60))

    assert (head.created_at, head.updated_at, head.status_changed_at) == (50, 60, 50)


def test_a_run_that_has_events_keeps_its_created_at() -> None:
    head = fold(event(timestamp=90), head=Head(run_id="r1", event_count=1))

    assert (head.created_at, head.updated_at, head.status_changed_at) == (None, 90, None)


def test_status_changed_at_is_the_time_of_the_last_event_that_changed_the_status() -> None:
    head = fold(
        event(timestamp=1),
        event("run_waiting", timestamp=2),
        event("run_waiting", timestamp=3),
        event("tool_requested", tool_name="ask_human", timestamp=4),
    )

    assert (head.state.status, head.status_changed_at, head.updated_at) == (RunStatus.WAITING, 2, 4)


def test_an_answer_that_leaves_another_question_open_changes_no_status() -> None:
    head = fold(
        event("tool_requested", tool_name="ask_human", offset=1, timestamp=1),
        event("tool_requested", tool_name="ask_human", offset=2, timestamp=2),
        event("input", tool="human_response", parent_event_id="e2", timestamp=3),
    )

    assert (head.state.status, head.status_changed_at) == (RunStatus.WAITING, 1)
    assert [question.id for question in head.state.open_questions] == ["e1"]


def test_a_return_to_an_earlier_status_is_a_change() -> None:
    head = fold(event(timestamp=1), event("run_waiting", timestamp=2), event("input", timestamp=3))

    assert (head.state.status, head.status_changed_at) == (RunStatus.RUNNING, 3)


@pytest.mark.parametrize(
    ("tool", "status"), [("respond_to_user", RunStatus.COMPLETED), ("calendar", RunStatus.RUNNING)]
)
def test_the_status_depends_on_the_tool_name(tool: str, status: RunStatus) -> None:
    assert fold(event("tool_succeeded", tool_name=tool)).state.status is status


def test_an_unknown_type_counts_as_an_event_and_changes_no_status() -> None:
    head = fold(event("run_waiting"), event("brand_new", tool_name="ask_human", timestamp=7))

    assert (head.state.status, head.event_count, head.updated_at) == (RunStatus.WAITING, 2, 7)


def test_dropped_events_add_up() -> None:
    head = fold(event("events_dropped", count=3), event(), event("events_dropped", count=2**31 - 1))

    assert head.dropped_events == 3 + 2**31 - 1


def test_the_first_run_started_sets_the_columns_and_later_ones_do_not() -> None:
    head = fold(
        event(timestamp=1),
        event("run_started", timestamp=2, agent_id="a", session_id="s", parent_run_id="p", labels={"v": "1"}),
        event("run_started", timestamp=3, agent_id="b", session_id="t", parent_run_id="q", labels={"w": "2"}),
    )

    assert (head.started, head.started_at) == (True, 2)
    assert (head.agent_id, head.session_id, head.parent_run_id, head.labels) == ("a", "s", "p", {"v": "1"})


def test_a_run_started_in_a_started_run_sets_nothing() -> None:
    head = fold(event("run_started", agent_id="b"), head=Head(run_id="r1", event_count=5, started=True))

    assert (head.started_at, head.agent_id, head.event_count) == (None, None, 6)


def test_a_run_started_may_have_an_agent_id_only() -> None:
    head = fold(event("run_started", agent_id="a"))

    assert (head.agent_id, head.session_id, head.parent_run_id, head.labels) == ("a", None, None, None)


def test_only_the_first_run_started_of_each_run_is_returned() -> None:
    first, again, other = (
        event("run_started", run="a", offset=1),
        event("run_started", run="a", offset=2),
        event("run_started", run="b", offset=3),
    )

    assert first_run_started_events([event(run="a"), first, event(run="c"), again, other]) == [first, other]


def test_a_named_parent_has_the_time_of_the_earliest_run_started_that_names_it() -> None:
    run_started_events = [
        event("run_started", run="a", timestamp=30, parent_run_id="p"),
        event("run_started", run="b", timestamp=10, parent_run_id="p"),
        event("run_started", run="c", timestamp=20, parent_run_id="p"),
        event("run_started", run="d", timestamp=5, parent_run_id="q"),
        event("run_started", run="e", timestamp=1),
    ]

    assert named_parents(run_started_events) == {"p": 10, "q": 5}


# --- several batches: the heads, applied to a row one after the other ---

SPECS: list[dict[str, Any]] = [
    {"event_type": "input"},
    {"event_type": "run_waiting"},
    {"event_type": "run_resumed"},
    {"event_type": "run_completed"},
    {"event_type": "run_failed"},
    {"event_type": "llm_called"},
    {"event_type": "brand_new"},
    {"event_type": "events_dropped", "count": 3},
    {"event_type": "tool_requested", "tool_name": "ask_human"},
    {"event_type": "tool_succeeded", "tool_name": "ask_human"},
    {"event_type": "input", "tool": "human_response", "parent_event_id": "e1"},
    {"event_type": "tool_requested", "tool_name": "approve", "role": "waits"},
    {"event_type": "tool_failed", "tool_name": "approve", "parent_event_id": "e2"},
    {"event_type": "tool_succeeded", "tool_name": "done"},
    {"event_type": "run_started", "agent_id": "a", "session_id": "s", "parent_run_id": "p", "labels": {"v": "1"}},
    {"event_type": "run_started", "agent_id": "b", "labels": {"w": "2"}},
]
specs = st.fixed_dictionaries(
    {"spec": st.sampled_from(SPECS), "run": st.sampled_from("ab"), "timestamp": st.integers(0, 9)}
)


def made(offset: int, drawn: dict[str, Any]) -> Event:
    fields = dict(drawn["spec"])
    return event(fields.pop("event_type"), run=drawn["run"], offset=offset, timestamp=drawn["timestamp"], **fields)


def write(batch: Sequence[Event], rows: dict[str, Head]) -> list[int]:
    """Fold a batch from the rows, as a new owner of the partition does, and write the changes to the rows."""
    heads = {}
    for run in {item.run_id for item in batch}:
        row = rows.setdefault(run, Head(run_id=run))
        heads[run] = Head(
            run_id=run,
            state=row.state,
            event_count=row.event_count,
            dropped_events=row.dropped_events,
            started=row.started,
        )
    sequence = assign_sequence_numbers(batch, heads)
    for run, head in heads.items():
        row = rows[run]
        for field, value in msgspec.structs.asdict(head).items():
            if value is not None:
                setattr(row, field, value)
    return sequence


@given(st.lists(specs, max_size=12), st.sets(st.integers(1, 11)))
def test_however_the_log_is_split_into_batches_the_rows_are_the_same(
    drawn: list[dict[str, Any]], cuts: set[int]
) -> None:
    events = [made(offset, spec) for offset, spec in enumerate(drawn)]
    bounds = [0, *sorted(cut for cut in cuts if cut < len(events)), len(events)]
    whole: dict[str, Head] = {}
    parts: dict[str, Head] = {}
    in_one = write(events, whole)
    in_many = [seq for start, end in pairwise(bounds) for seq in write(events[start:end], parts)]

    assert in_many == in_one
    assert parts == whole


def test_advance_numbers_one_event() -> None:
    head = Head(run_id="r1", event_count=7)

    assert advance(head, event()) == 7
    assert head.event_count == 8


# --- the ranges of the columns ---

LARGEST_COUNT = 2**31 - 1  # of one events_dropped


@given(
    count=st.integers(MAX_EVENT_COUNT - 4, MAX_EVENT_COUNT) | st.integers(0, 4),
    dropped=st.integers(MAX_DROPPED_EVENTS - 4 * LARGEST_COUNT, MAX_DROPPED_EVENTS) | st.integers(0, 4),
    counts=st.lists(st.none() | st.integers(1, 4) | st.integers(LARGEST_COUNT - 4, LARGEST_COUNT), min_size=1),
)
def test_however_close_a_run_is_to_its_limits_what_is_not_rejected_fits_its_columns(
    count: int, dropped: int, counts: list[int | None]
) -> None:
    # Given a run close to its limits, and events that may add to its dropped events,
    head = Head(run_id="r1", event_count=count, dropped_events=dropped)
    events = [
        event(offset=offset) if number is None else event("events_dropped", offset=offset, count=number)
        for offset, number in enumerate(counts)
    ]
    # when those beyond the limits are rejected,
    fitting, rejections = reject_beyond_limits(events, {"r1": head})
    # then each event is in one of the lists, in its order, and an event is rejected only if it does not fit,
    offsets = [*(each.record.offset for each in fitting), *(each.record.offset for each in rejections)]
    assert sorted(offsets) == [*range(len(events))]
    assert {rejection.reason for rejection in rejections} <= {Reason.STORE_REJECTED}
    before = Head(run_id="r1", event_count=count, dropped_events=dropped)
    kept = {id(item) for item in fitting}
    for item, number in zip(events, counts, strict=True):
        fits = before.event_count < MAX_EVENT_COUNT and before.dropped_events + (number or 0) <= MAX_DROPPED_EVENTS
        assert (id(item) in kept) is fits
        if fits:
            advance(before, item)
    # and the numbers and the sums fit their columns.
    sequence = assign_sequence_numbers(fitting, {"r1": head})
    assert b"".join(encode_events(zip(fitting, sequence, strict=True)))
    assert (head.event_count, head.dropped_events) == (before.event_count, before.dropped_events)


def test_a_run_at_its_limit_does_not_limit_other_runs() -> None:
    heads = {"full": Head(run_id="full", event_count=MAX_EVENT_COUNT), "r1": Head(run_id="r1")}
    events = [event(run="full", offset=0), event(run="r1", offset=1)]

    fitting, rejections = reject_beyond_limits(events, heads)
    assert fitting == events[1:]
    assert [(each.record.offset, "full" in each.detail) for each in rejections] == [(0, True)]
