"""What `Recording` makes of events that are repeated, missing, mixed or not in order: never a wrong answer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from agent_runs.events import Event, RunStarted, ToolRequested, ToolSucceeded
from agent_runs.reader import StoredEvent
from agent_runs.replay import Divergence, Recording, RecordingHasHoles, TopicEvent

AT = datetime(2026, 1, 1, tzinfo=UTC)


def request(event_id: str, arguments: Any = None) -> ToolRequested:
    return ToolRequested(id=event_id, timestamp=AT, tool_name="t", tool_args=arguments or {"x": event_id})


def answer(event_id: str, parent: str, result: Any, tool: str = "t") -> ToolSucceeded:
    return ToolSucceeded(id=event_id, parent_event_id=parent, timestamp=AT, tool_name=tool, result=result)


def events(name: str = "") -> list[Any]:
    """A run in which the second call begins before the first one ends."""
    return [
        RunStarted(id=f"start{name}", timestamp=AT, agent_id="agent"),
        *(request("1"), request("2"), answer("a1", "1", f"first{name}"), answer("a2", "2", f"second{name}")),
    ]


def stored(found: Sequence[Event]) -> list[StoredEvent]:
    return [
        StoredEvent(seq=seq, created_at=AT, partition=0, offset=seq, event=event) for seq, event in enumerate(found)
    ]


def from_topic(found: Sequence[Any], run_id: str) -> list[TopicEvent]:
    return [TopicEvent(run_id, 0, offset, 0, event) for offset, event in enumerate(found)]


def answers(recording: Recording) -> dict[str, Any]:
    """Return the answers of all recorded calls, by the id of the request; None if a call has none."""
    return {unit.event_id: unit.answer and unit.answer.value for unit in recording.report().unserved}


def test_a_repeated_answer_does_not_answer_another_call() -> None:
    found = events()
    found.insert(4, answer("again", "1", "first again"))

    assert answers(Recording(found)) == {"1": "first", "2": "second"}


def test_an_answer_of_another_tool_does_not_answer_the_call_that_it_names() -> None:
    assert answers(Recording([request("1"), answer("other", "1", "wrong", "u"), answer("a1", "1", "right")])) == {
        "1": "right"
    }


@pytest.mark.parametrize("shown", [[0, 2, 3, 4], [2, 3, 4]])
def test_missing_numbers_are_missing_events_and_an_answer_to_a_missing_call_answers_no_other(shown: list[int]) -> None:
    found = [stored(events())[number] for number in shown]

    with pytest.warns(UserWarning, match=rf"the recorded run lacks {5 - len(shown)} event"):
        recording = Recording(found)

    assert answers(recording) == {"2": "second"}
    with pytest.raises(RecordingHasHoles, match="pass all events of the run"):
        Recording(found, strict=True)


def test_stored_events_that_are_mixed_repeated_or_not_in_order_are_refused() -> None:
    one, other = stored(events()), stored(events(" of another run"))

    with pytest.raises(ValueError, match="mixed, repeated or not in order: event 1 follows event 1"):
        Recording(event for pair in zip(one, other, strict=True) for event in pair)
    with pytest.raises(ValueError, match="mixed, repeated or not in order: event 3 follows event 4"):
        Recording(reversed(one))
    with pytest.raises(ValueError, match="mixed, repeated or not in order: event 2 follows event 3"):
        Recording([*one[:4], *one[2:]])
    with pytest.raises(ValueError, match="the events of a run are given twice"):
        Recording([*one, *one])


def test_the_runs_of_a_topic_are_told_apart_by_their_ids_and_refused_if_they_are_mixed() -> None:
    one, other = from_topic(events(), "one"), from_topic(events(" of another run"), "other")

    recorded = Recording([*one, *other]).report().unserved
    assert [(unit.run, unit.answer and unit.answer.value) for unit in recorded] == [
        (0, "first"),
        (0, "second"),
        (1, "first of another run"),
        (1, "second of another run"),
    ]
    with pytest.raises(ValueError, match=r"mixed: read the topic with `read_topic\(run_id='one'\)`"):
        Recording(event for pair in zip(one, other, strict=True) for event in pair)


@pytest.mark.parametrize("asked", [Decimal("1e401"), float("inf")])
def test_numbers_that_no_float_can_hold_are_compared_exactly(asked: Any) -> None:
    recorded = [request("1", {"x": Decimal("1e400")}), answer("a1", "1", "right")]

    assert Recording(recorded).tool("t", {"x": Decimal("10e399")}) == "right"
    with pytest.raises(Divergence, match="No recorded call of this tool has the same arguments"):
        Recording(recorded).tool("t", {"x": asked})
