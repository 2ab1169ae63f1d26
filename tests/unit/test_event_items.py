"""The functions of the events of a run take what a reader, a run file, a topic and an emitter return."""

import doctest
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import pytest

from agent_runs import RunState, RunStatus, fold, open_questions, status
from agent_runs.codec.records import Reason
from agent_runs.emitter.history import read_history
from agent_runs.events import RunEvent, UnknownEvent
from agent_runs.reader.stored_events import OpaqueEvent, StoredEvent
from agent_runs.replay import Recording, TopicEvent, TopicRejection, fork_origin, render
from agent_runs.testing import RecordingEmitter

RUN = "run-1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Typed = RunEvent | UnknownEvent


def typed_events() -> list[Typed]:
    emitter = RecordingEmitter()
    run = emitter.start_run(run_id=RUN, agent_id="scheduler")
    run.llm_called(model="m", system_prompt="Ask.", user_prompt="Ada?", raw_response="1, 2")
    run.tool_requested("ask_human", {"question": "1"})
    answered = run.tool_requested("ask_human", {"question": "2"})
    run.input("human_response", "Yes.", parent=answered)
    return emitter.events(RUN)


def stored(events: Sequence[Any]) -> list[StoredEvent]:
    return [
        StoredEvent(seq=seq, created_at=NOW, partition=0, offset=seq, event=event) for seq, event in enumerate(events)
    ]


def from_topic(events: Sequence[Typed], run_id: str = RUN) -> list[TopicEvent | TopicRejection]:
    """The events of a run in a topic, each of them twice, after a record that the service refuses."""
    found: list[TopicEvent | TopicRejection] = [TopicRejection(0, 0, 0, Reason.MISSING_KEY, "the key is null")]
    return found + [TopicEvent(run_id, 0, offset, 0, event) for offset, event in enumerate([*events, *events], 1)]


USES: dict[str, Callable[[Sequence[Any]], Any]] = {
    "open_questions": open_questions,
    "fork_origin": fork_origin,
    "render": render,
    "history": lambda items: read_history(RUN, items),
    "recording": lambda items: [unit.content for unit in Recording(items).report().unserved],
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_function_of_events_returns_the_same_for_events_of_every_source(use: Callable[[Sequence[Any]], Any]) -> None:
    events = typed_events()
    expected = use(events)

    assert use(stored(events)) == expected
    assert use(from_topic(events)) == expected


def test_the_open_question_is_the_one_without_an_answer() -> None:
    assert [request.tool_args for request in open_questions(stored(typed_events()))] == [{"question": "1"}]


def test_the_state_after_stored_events_and_after_events_of_a_topic_is_that_after_typed_events() -> None:
    events = typed_events()
    topic_events = [item for item in from_topic(events) if isinstance(item, TopicEvent)][: len(events)]

    assert reduce(fold, stored(events), RunState()) == reduce(fold, topic_events, RunState())
    assert reduce(fold, stored(events), RunState()) == reduce(fold, events, RunState())
    assert reduce(fold, events, RunState()).status is RunStatus.WAITING


def test_an_event_that_cannot_be_decoded_changes_neither_the_questions_nor_the_history() -> None:
    events = typed_events()
    opaque = [OpaqueEvent(id=f"bad-{name}", type=name, error="") for name in ("tool_requested", "input")]

    assert open_questions(stored([*events, *opaque])) == open_questions(events)
    assert read_history(RUN, stored([*events, *opaque])).state == read_history(RUN, events).state


@pytest.mark.parametrize("use", [open_questions, fork_origin, render])
def test_what_is_not_events_is_refused_with_what_to_pass(use: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="'x' is not an event: pass typed events, or those of a reader or a topic"):
        use(["x"])
    with pytest.raises(TypeError, match="not iterable; from asyncio code pass"):
        use(aiter)


@pytest.mark.parametrize("use", [open_questions, render])
def test_the_events_of_several_runs_of_a_topic_are_refused(use: Callable[[Any], Any]) -> None:
    other = from_topic(typed_events(), "run-2")

    with pytest.raises(ValueError, match="'run-1' and 'run-2' are mixed"):
        use([*from_topic(typed_events()), *other])


def test_the_example_of_open_questions_is_right() -> None:
    assert doctest.testmod(status).failed == 0
