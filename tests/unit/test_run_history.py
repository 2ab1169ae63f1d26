"""`emitter.run(run_id, history=…)`: a run continues after the events that another process emitted."""

import logging
from typing import Any

import pytest

from agent_runs import Run
from agent_runs.testing import RecordingEmitter

# What the other process has emitted.
other_process = RecordingEmitter()


@pytest.fixture
def first() -> Run:
    """A run in another process."""
    other_process.records.clear()
    return other_process.start_run(agent_id="a", session_id="s", run_id="run")


def events_of(run: Run) -> list[Any]:
    return list(other_process.events(run.id))


class Stored:
    """An event as the reader returns it."""

    def __init__(self, event: Any) -> None:
        self.event = event


class Reader:
    """A reader of the run, as `SyncReader` is."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def get_run_events(self, run_id: str) -> Any:
        assert run_id == self.run.id
        return iter(map(Stored, events_of(self.run)))


class StoredRun:
    def __init__(self, run: Run) -> None:
        self.events = list(map(Stored, events_of(run)))


SOURCES = {
    "events": events_of,
    "reader": Reader,
    "stored run": StoredRun,
    "generator": lambda run: iter(events_of(run)),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_the_answer_of_another_process_has_the_question_as_its_parent(
    recording_emitter: RecordingEmitter, first: Run, source: Any
) -> None:
    question = first.tool_requested("ask_human", "Refund?")
    first.context_assembled("audit")  # the last event is another one

    with recording_emitter.run("run", history=source(first)) as run:
        assert (run.session_id, run.child(agent_id="b").session_id) == ("s", "s")
        answer = run.tool_succeeded("ask_human", "yes")
        next_event = run.context_assembled(1)

    events = recording_emitter.events("run")
    assert [event.parent_event_id for event in events] == [question, answer, next_event]
    assert events[-1].type == "run_completed"  # the run is not waiting any more


def test_without_an_answer_the_run_still_waits_after_the_block(recording_emitter: RecordingEmitter, first: Run) -> None:
    first.tool_requested("ask_human")
    last = first.context_assembled(1)

    with recording_emitter.run("run", history=events_of(first)) as run:
        run.context_assembled(2)

    (event,) = recording_emitter.events("run")
    assert event.parent_event_id == last


def test_two_questions_are_answered_in_their_order(recording_emitter: RecordingEmitter, first: Run) -> None:
    questions = [first.tool_requested("ask_human", text) for text in ("Refund?", "Repair?")]
    other = first.tool_requested("spawn_agent")

    run = recording_emitter.run("run", history=events_of(first))
    run.input("human_response", "yes")
    run.tool_failed("ask_human", "no answer")
    run.tool_succeeded("spawn_agent", "done")
    run.run_completed()

    parents = [event.parent_event_id for event in recording_emitter.events("run")]
    assert parents[:3] == [*questions, other]
    assert parents[3] == recording_emitter.events("run")[2].id


def test_a_tool_that_was_running_when_the_process_died_can_be_answered(
    recording_emitter: RecordingEmitter, first: Run
) -> None:
    first.tool_succeeded("search", parent=first.tool_requested("search"))
    requests = [first.tool_requested("search", number) for number in range(2)]
    first.tool_succeeded("search", parent=requests[0])

    run = recording_emitter.run("run", history=events_of(first))
    run.context_assembled(1)
    run.tool_failed("search", "the process died")
    run.tool_failed("search", "again")

    parents = [event.parent_event_id for event in recording_emitter.events("run")]
    assert parents[1] == requests[1]
    assert parents[2] == recording_emitter.events("run")[1].id


def test_in_one_process_an_answer_has_the_question_as_its_parent_too(recording_emitter: RecordingEmitter) -> None:
    run = recording_emitter.run("run")
    first = run.tool_requested("ask_human", 1)
    second = run.tool_requested("ask_human", 2)
    run.tool_succeeded("ask_human", "answers the last question of this task")
    run.context_assembled(1)
    run.tool_succeeded("ask_human", "answers the other one")

    parents = [event.parent_event_id for event in recording_emitter.events("run")]
    assert (parents[2], parents[4]) == (second, first)
    assert recording_emitter.status() == "running"


class Unavailable:
    def get_run_events(self, _: str) -> Any:
        raise ConnectionError("no database")


class Asynchronous:
    def get_run_events(self, _: str) -> Any:
        return self

    def __aiter__(self) -> Any: ...


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (Unavailable(), "no database"),
        (Asynchronous(), "async for event"),
        ([1], "is not an event"),
        ([], "no events"),
    ],
)
def test_a_run_continues_without_a_history_that_cannot_be_read(
    recording_emitter: RecordingEmitter, caplog: pytest.LogCaptureFixture, history: Any, words: str
) -> None:
    with caplog.at_level(logging.WARNING, "agent_runs"):
        run = recording_emitter.run("run", history=history)
    run.input("message_from_user")

    assert words in caplog.text
    assert recording_emitter.types() == ["input"]
