"""The emitter as an agent uses it, with records kept in memory instead of sent to Kafka: events, runs, tool calls."""

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from agent_runs import (
    Emitter,
    Input,
    Run,
    RunCompleted,
    RunFailed,
    RunStarted,
    RunStatus,
    ToolFailed,
    ToolRequested,
    ToolSucceeded,
    decode_event,
)
from agent_runs.emitter.stats import Stats
from agent_runs.events import EVENT_CLASSES, EventsDropped
from agent_runs.testing import RecordingEmitter
from tests.support.builders import message
from tests.support.emitter_calls import CALLS, FIELDS

pytestmark = pytest.mark.usefixtures("own_logs")
BYTES: Any = b"text"


class BrokenStr(Exception):
    def __str__(self) -> str:
        raise LookupError

    def __repr__(self) -> str:
        return "BrokenStr()"


@pytest.fixture
def run(emitter: RecordingEmitter) -> Run:
    return emitter.run("run-1", session_id="session-1")


# --- events ---


def test_every_type_of_the_contract_has_a_method() -> None:
    assert set(CALLS) == set(FIELDS) == set(EVENT_CLASSES)
    assert all(callable(getattr(Run, name)) for name in EVENT_CLASSES)


@pytest.mark.parametrize("name", EVENT_CLASSES)
def test_a_method_emits_its_event_and_returns_the_id(emitter: RecordingEmitter, run: Run, name: str) -> None:
    before = datetime.now(UTC)
    event_id = CALLS[name](run)

    (event,) = emitter.events("run-1")
    assert (event.type, event.id, event.parent_event_id) == (name, event_id, None)
    assert before <= event.timestamp <= datetime.now(UTC)
    assert {field: getattr(event, field) for field in FIELDS[name]} == FIELDS[name]
    assert emitter.stats() == Stats(emitted=1, sent=1, pending=0, dropped={}, recorded=0)


def test_start_run_emits_run_started(emitter: RecordingEmitter) -> None:
    run = emitter.start_run(agent_id="scheduler", session_id="s", parent_run_id="p")

    assert emitter.run_ids == [run.id]
    assert len(run.id) == 12
    (event,) = emitter.events(run.id)
    assert isinstance(event, RunStarted)
    assert (event.agent_id, event.session_id, event.parent_run_id) == ("scheduler", "s", "p")


def test_start_run_takes_an_id(emitter: RecordingEmitter) -> None:
    assert emitter.start_run(agent_id="scheduler", run_id="job/7").id == "job/7"
    assert emitter.run_ids == ["job/7"]


def test_a_child_has_this_run_as_its_parent_and_the_same_session(emitter: RecordingEmitter, run: Run) -> None:
    child = run.child(agent_id="researcher")

    (event,) = emitter.events(child.id)
    assert isinstance(event, RunStarted)
    assert (event.agent_id, event.session_id, event.parent_run_id) == ("researcher", "session-1", "run-1")
    assert child.child(agent_id="x").session_id == "session-1"


def test_the_default_parent_is_the_last_event(emitter: RecordingEmitter, run: Run) -> None:
    first = run.input("message_from_user", 1)
    second = run.context_assembled(2)
    run.run_waiting(parent=first)
    run.run_resumed()

    parents = [event.parent_event_id for event in emitter.events()]
    assert parents[:3] == [None, first, first]
    assert parents[3] not in (first, second, None)


def test_a_dropped_event_is_not_a_default_parent(emitter: RecordingEmitter, run: Run) -> None:
    first = run.input("message_from_user", 1)
    dropped = run.input(tool=5)  # type: ignore[arg-type]
    run.run_completed()

    _, marker, last = emitter.events()
    assert isinstance(marker, EventsDropped)
    assert (marker.count, marker.reason, marker.parent_event_id) == (1, "invalid", None)
    assert last.parent_event_id == first != dropped


def test_emit_takes_any_event(emitter: RecordingEmitter) -> None:
    event = Input(id="e1", timestamp=datetime(2026, 1, 1, tzinfo=UTC), tool="t", data=1)
    unknown = decode_event(message("brand_new", id="e2", more=[1]))

    assert emitter.emit("r", event) == "e1"
    assert emitter.emit("r", unknown) == "e2"
    assert emitter.events("r") == [event, unknown]


def test_payloads_are_encoded_during_the_call(emitter: RecordingEmitter, run: Run) -> None:
    arguments = {"list": [1]}
    run.tool_requested("t", arguments)
    arguments["list"].append(2)

    (event,) = emitter.events()
    assert isinstance(event, ToolRequested)
    assert event.tool_args == {"list": [1]}


def test_payloads_that_json_cannot_express_are_sent_as_repr(emitter: RecordingEmitter, run: Run) -> None:
    deep: Any = 0
    for _ in range(2000):
        deep = [deep]
    run.tool_succeeded("t", {"nan": math.nan, "object": Emitter, "text": "\ud800"})
    run.tool_succeeded("t", deep)
    run.tool_succeeded("t", msgspec.Raw(b"{no json"))

    object_event, deep_event, raw_event = emitter.events()
    assert isinstance(object_event, ToolSucceeded)
    assert object_event.result == {
        "nan": {"$repr": "nan"},
        "object": {"$repr": "<class 'agent_runs.emitter.emitter.Emitter'>"},
        "text": "\ud800",
    }
    assert b"$repr" in (deep_event.original or b"")
    assert b"<msgspec.Raw object" in (raw_event.original or b"")
    assert emitter.stats().dropped == {}


# --- runs and tool calls as context managers ---


def test_a_run_without_an_exception_is_completed(emitter: RecordingEmitter) -> None:
    with emitter.start_run(agent_id="a") as run:
        run.input("message_from_user")

    assert emitter.types() == ["run_started", "input", "run_completed"]


def test_a_run_with_an_exception_has_failed_and_the_exception_propagates(emitter: RecordingEmitter) -> None:
    error = LookupError("no such order")
    with pytest.raises(LookupError) as caught, emitter.start_run(agent_id="a"):
        raise error

    assert caught.value is error
    *_, end = emitter.events()
    assert isinstance(end, RunFailed)
    assert end.error == "LookupError: no such order"


@pytest.mark.parametrize(
    ("emit", "status"),
    [
        (lambda run: run.run_completed(7), RunStatus.COMPLETED),
        (lambda run: run.run_failed("explicitly"), RunStatus.FAILED),
        (lambda run: run.run_waiting(), RunStatus.WAITING),
        (lambda run: run.tool_requested("ask_human"), RunStatus.WAITING),
        (lambda run: run.tool_succeeded("respond_to_user"), RunStatus.COMPLETED),
    ],
    ids=["completed", "failed", "waiting", "ask_human", "respond_to_user"],
)
def test_a_run_that_has_ended_or_waits_gets_no_closing_event(
    emitter: RecordingEmitter, emit: Callable[[Run], str], status: RunStatus
) -> None:
    with emitter.start_run(agent_id="a") as run:
        emit(run)

    assert len(emitter.events()) == 2
    assert emitter.status(run.id) is status


def test_a_run_that_was_resumed_gets_a_closing_event(emitter: RecordingEmitter) -> None:
    with emitter.run("r") as run:
        run.run_waiting()
        run.input("human_response", "yes")

    assert emitter.types() == ["run_waiting", "input", "run_completed"]


def test_a_dropped_closing_event_is_replaced_by_one_without_its_content(emitter: RecordingEmitter) -> None:
    with emitter.start_run(agent_id="a") as completed:
        completed.run_completed("x" * 17_000_000)
    with emitter.start_run(agent_id="a") as failed:
        failed.run_failed("x" * 17_000_000)
    with emitter.start_run(agent_id="a") as answered:
        answered.tool_succeeded("respond_to_user", "x" * 17_000_000)

    assert emitter.types(completed.id) == ["run_started", "events_dropped", "run_completed"]
    assert emitter.types(failed.id) == ["run_started", "events_dropped", "run_failed"]
    assert emitter.types(answered.id) == ["run_started", "events_dropped", "run_completed"]


def test_a_dropped_request_of_ask_human_leaves_the_run_waiting(emitter: RecordingEmitter) -> None:
    with emitter.start_run(agent_id="a") as run:
        run.tool_requested("ask_human", "x" * 17_000_000)

    assert emitter.types(run.id) == ["run_started", "events_dropped"]


@pytest.mark.parametrize("error", [SyntaxError("bad", ("f.py", 1, 1, BYTES)), BrokenStr()], ids=repr)
def test_an_exception_without_a_text_propagates_unchanged(emitter: RecordingEmitter, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, emitter.run("r") as run, run.tool("t"):
        raise error

    assert caught.value is error
    assert emitter.types("r") == ["tool_requested", "tool_failed", "run_failed"]


def test_a_tool_call_is_requested_and_succeeds(emitter: RecordingEmitter, run: Run) -> None:
    first = run.input("message_from_user")
    with run.tool("search", {"q": 1}) as call:
        inside = run.context_assembled("in between")
        call.result = ["hit"]
    last = run.run_completed()

    _, requested, assembled, succeeded, completed = emitter.events()
    assert isinstance(requested, ToolRequested)
    assert isinstance(succeeded, ToolSucceeded)
    assert (requested.tool_name, requested.tool_args, requested.parent_event_id) == ("search", {"q": 1}, first)
    assert (succeeded.tool_name, succeeded.result, succeeded.parent_event_id) == ("search", ["hit"], requested.id)
    assert (assembled.id, completed.id, completed.parent_event_id) == (inside, last, succeeded.id)


def test_a_tool_call_with_an_exception_has_failed_and_the_exception_propagates(
    emitter: RecordingEmitter, run: Run
) -> None:
    with pytest.raises(KeyboardInterrupt), run.tool("search"):
        raise KeyboardInterrupt

    _, failed = emitter.events()
    assert isinstance(failed, ToolFailed)
    assert (failed.tool_name, failed.error) == ("search", "KeyboardInterrupt")


def test_a_tool_call_may_fail_without_an_exception(emitter: RecordingEmitter, run: Run) -> None:
    with run.tool("search") as call:
        call.result = "half an answer"
        call.error = "it was cut off"

    _, failed = emitter.events()
    assert isinstance(failed, ToolFailed)
    assert failed.error == "it was cut off"


def test_an_exception_is_formatted_as_the_error(emitter: RecordingEmitter, run: Run) -> None:
    run.tool_failed("search", LookupError("no such page"))
    run.run_failed(KeyError("order"))

    assert [getattr(event, "error", None) for event in emitter.events()] == [
        "LookupError: no such page",
        "KeyError: 'order'",
    ]


def test_the_answer_to_a_dropped_request_has_the_request_s_parent(emitter: RecordingEmitter, run: Run) -> None:
    before = run.input("message_from_user")
    huge = "x" * 17_000_000
    with run.tool("search", huge, parent=before):
        pass

    _, marker, succeeded = emitter.events()
    assert isinstance(marker, EventsDropped)
    assert (marker.count, marker.reason) == (1, "too_large")
    assert succeeded.parent_event_id == before


async def test_async_context_managers_do_the_same(emitter: RecordingEmitter) -> None:
    async with emitter.start_run(agent_id="a") as run:

        async def call(number: int) -> None:
            async with run.tool("search", number) as call:
                await asyncio.sleep(0)
                call.result = number

        await asyncio.gather(*(call(number) for number in range(20)))

    events = emitter.events(run.id)
    requested = {event.id: event.tool_args for event in events if isinstance(event, ToolRequested)}
    answers = [event for event in events if isinstance(event, ToolSucceeded)]
    assert len(requested) == len(answers) == 20
    assert all(requested[answer.parent_event_id or ""] == answer.result for answer in answers)
    assert isinstance(events[-1], RunCompleted)


async def test_a_cancelled_run_has_failed_and_the_cancellation_propagates(emitter: RecordingEmitter) -> None:
    async def work() -> None:
        async with emitter.start_run(agent_id="a"):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert emitter.types() == ["run_started", "run_failed"]


async def test_an_emitter_is_closed_at_the_end_of_its_block() -> None:
    async with RecordingEmitter() as one:
        pass
    with RecordingEmitter() as other:
        pass

    for closed in (one, other):
        closed.run("r").run_completed()
        assert closed.stats().dropped == {"closed": 1}
