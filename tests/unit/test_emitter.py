"""The emitter as an agent uses it, with records kept in memory instead of sent to Kafka."""

import asyncio
import gc
import logging
import math
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from inspect import signature
from threading import Thread, get_ident
from time import monotonic
from types import ModuleType
from typing import Any, get_type_hints
from unittest.mock import MagicMock

import msgspec
import pytest

from agent_runs import (
    Emitter,
    Input,
    LlmCalled,
    Run,
    RunCompleted,
    RunFailed,
    RunStarted,
    RunStatus,
    ToolFailed,
    ToolRequested,
    ToolSucceeded,
    UnknownEvent,
    decode_event,
)
from agent_runs.emitter.settings import EmitterSettings, Options, read_config
from agent_runs.emitter.stats import Stats
from agent_runs.events import EVENT_CLASSES, EventsDropped
from agent_runs.settings import KafkaSettings
from agent_runs.testing import RecordingEmitter
from agent_runs.unknown_variables import SERVICE_VARIABLES
from tests.support.builders import message

NO_EVENTS = Stats(emitted=0, sent=0, pending=0, dropped={}, recorded=0)
BYTES: Any = b"text"


class BrokenStr(Exception):
    def __str__(self) -> str:
        raise LookupError

    def __repr__(self) -> str:
        return "BrokenStr()"


class Unhashable:
    def __hash__(self) -> int:
        raise BrokenStr


@pytest.fixture(autouse=True)
def own_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Capture only what the library logs in the test's thread.

    Emitters of earlier tests may still have threads, and the garbage collector lets asyncio log that their tasks were
    destroyed, in whatever thread it runs.
    """

    def is_own(record: logging.LogRecord) -> bool:
        return record.thread == get_ident() and record.name.startswith("agent_runs")

    caplog.handler.addFilter(is_own)
    yield
    caplog.handler.removeFilter(is_own)


@pytest.fixture
def run(emitter: RecordingEmitter) -> Run:
    return emitter.run("run-1", session_id="session-1")


# --- events ---

# For every type of the contract, a call of the method with its name, and the fields that the event must have.
CALLS: dict[str, Callable[[Run], str]] = {
    "input": lambda run: run.input("message_from_user", {"text": "hi"}),
    "context_assembled": lambda run: run.context_assembled(["all", None]),
    "llm_called": lambda run: run.llm_called(model="m", system_prompt="s", user_prompt="u", raw_response="r"),
    "llm_failed": lambda run: run.llm_failed(model="m", system_prompt="s", user_prompt="u", error="no"),
    "tool_requested": lambda run: run.tool_requested("search", {"q": 1}),
    "tool_succeeded": lambda run: run.tool_succeeded("search", [1]),
    "tool_failed": lambda run: run.tool_failed("search", "no"),
    "run_started": lambda run: run.run_started(agent_id="a", session_id="s", parent_run_id="p"),
    "run_waiting": lambda run: run.run_waiting("rate limit"),
    "run_resumed": lambda run: run.run_resumed("over"),
    "run_completed": lambda run: run.run_completed({"ok": True}),
    "run_failed": lambda run: run.run_failed("no"),
    "events_dropped": lambda run: run.events_dropped(3, "gap", types={"input": 3}, detail="a gap of my own"),
}
FIELDS: dict[str, dict[str, Any]] = {
    "input": {"tool": "message_from_user", "data": {"text": "hi"}},
    "context_assembled": {"context": ["all", None]},
    "llm_called": {"model": "m", "system_prompt": "s", "user_prompt": "u", "raw_response": "r"},
    "llm_failed": {"model": "m", "system_prompt": "s", "user_prompt": "u", "error": "no"},
    "tool_requested": {"tool_name": "search", "tool_args": {"q": 1}},
    "tool_succeeded": {"tool_name": "search", "result": [1]},
    "tool_failed": {"tool_name": "search", "error": "no"},
    "run_started": {"agent_id": "a", "session_id": "s", "parent_run_id": "p"},
    "run_waiting": {"reason": "rate limit"},
    "run_resumed": {"reason": "over"},
    "run_completed": {"result": {"ok": True}},
    "run_failed": {"error": "no"},
    "events_dropped": {"count": 3, "reason": "gap", "types": {"input": 3}, "detail": "a gap of my own"},
}


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


# --- misuse ---

MISUSE: dict[str, Callable[[Any], Any]] = {
    "no arguments": lambda run: run.input(),
    "an argument of another type": lambda run: run.tool_requested(7),
    "a name without a hash": lambda run: run.tool_requested(["search"]),
    "a name whose hash raises": lambda run: run.tool_requested(Unhashable()),
    "null for a text": lambda run: run.tool_failed("t", None),
    "an unknown argument": lambda run: run.llm_called(model="m", prompt="p"),
    "too many arguments": lambda run: run.run_completed(1, 2, 3),
    "a parent that is not an id": lambda run: run.run_waiting(parent=5),
    "an empty parent": lambda run: run.run_waiting(parent=""),
    "a parent that is too long": lambda run: run.run_waiting(parent="x" * 256),
    "a count of 0": lambda run: run.events_dropped(0),
    "a count above the limit": lambda run: run.events_dropped(2**31),
    "an empty agent id": lambda run: run.run_started(agent_id=""),
    "an id with a surrogate": lambda run: run.run_started(agent_id="a", session_id="\ud800"),
}


@pytest.mark.parametrize("misuse", MISUSE.values(), ids=MISUSE)
def test_misuse_is_counted_and_logged_once_and_recorded_in_the_run_and_returns_an_id(
    emitter: RecordingEmitter, run: Run, misuse: Callable[[Run], Any], caplog: pytest.LogCaptureFixture
) -> None:
    ids = {misuse(run) for _ in range(3)}

    assert len(ids) == 3
    assert all(isinstance(event_id, str) and event_id for event_id in ids)
    assert emitter.stats() == Stats(emitted=3, sent=0, pending=0, dropped={"invalid": 3}, recorded=3)
    assert emitter.types("run-1") == ["events_dropped"] * 3
    assert [(record.name, record.levelname) for record in caplog.records] == [("agent_runs", "WARNING")]
    assert "invalid" in caplog.text


@pytest.mark.parametrize("run_id", ["", "\0", "\ud800", "x" * 256, 5, None, b"bytes"], ids=ascii)
def test_events_of_a_run_without_a_valid_id_are_dropped(emitter: RecordingEmitter, run_id: Any) -> None:
    with emitter.run(run_id) as run, run.tool("t") as call:
        call.result = 1
    emitter.emit(run_id, Input(id="e", timestamp=datetime.now(UTC), tool="t", data=1))

    with emitter.start_run(agent_id="a", run_id=run_id if run_id is not None else 0):  # type: ignore[arg-type]
        pass

    assert emitter.stats().dropped == {"invalid": 6}
    assert emitter.records == []


def test_misused_calls_that_return_a_run_return_a_usable_run(emitter: RecordingEmitter, run: Run) -> None:
    runs: list[Any] = [
        emitter.start_run(),  # type: ignore[call-arg]
        emitter.start_run(agent_id=7),  # type: ignore[arg-type]
        emitter.start_run("a", "b"),  # type: ignore[call-arg]
        emitter.run(),  # type: ignore[call-arg]
        run.child(),  # type: ignore[call-arg]
    ]

    assert len({one.id for one in runs}) == 5
    assert emitter.stats().dropped == {"invalid": 5}
    for one in runs:
        one.run_completed()
    assert emitter.stats().sent == 5


def test_a_misused_tool_call_is_still_a_context_manager(emitter: RecordingEmitter, run: Run) -> None:
    with run.tool() as call:  # type: ignore[call-arg]
        call.result = 1

    assert emitter.stats() == Stats(emitted=1, sent=0, pending=0, dropped={"invalid": 1}, recorded=1)


@pytest.mark.parametrize("event", ["text", None, 5, {"type": "input"}], ids=repr)
def test_emit_of_something_that_is_not_an_event_is_counted(emitter: RecordingEmitter, event: Any) -> None:
    assert emitter.emit("r", event)
    assert emitter.stats().dropped == {"invalid": 1}


def test_flush_and_close_accept_invalid_timeouts(emitter: RecordingEmitter) -> None:
    assert emitter.flush("soon") == 0  # type: ignore[arg-type]
    assert emitter.flush(math.nan) == emitter.flush(math.inf) == emitter.flush(-1) == 0
    assert emitter.close("later") == 0  # type: ignore[arg-type]
    assert emitter.stats() == NO_EVENTS


def test_an_event_larger_than_allowed_is_dropped_and_recorded(emitter: RecordingEmitter, run: Run) -> None:
    run.tool_succeeded("t", "x" * (16 * 1024 * 1024))
    run.tool_succeeded("t", [0] * 1_000_001)
    run.tool_succeeded("t", "x" * (16 * 1024 * 1024 - 200))

    assert emitter.types() == ["events_dropped", "events_dropped", "tool_succeeded"]
    assert emitter.stats().dropped == {"too_large": 2}


def test_an_event_that_does_not_fit_into_an_empty_queue_is_too_large() -> None:
    emitter = Emitter(environ={}, bootstrap_servers="127.0.0.1:1", queue_bytes=65536, exit_timeout_s=0)
    for size in range(60_000, 62_000, 100):
        emitter.run("r").input("t", "x" * size)

    dropped = emitter.stats().dropped
    emitter.close(0)
    assert dropped["too_large"] > 10
    # The smaller events fit, one of them at a time.
    assert dropped["too_large"] + dropped.get("queue_full", 0) + 1 == 20


# --- settings ---


def test_without_settings_nothing_raises_and_every_event_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    emitter = Emitter(environ={})
    run = emitter.start_run(agent_id="a")

    assert run.run_completed()
    assert emitter.stats() == Stats(emitted=2, sent=0, pending=0, dropped={"not_configured": 2}, recorded=0)
    assert emitter.flush() == emitter.close() == 0
    # The emitter of a test before this one may still warn.
    assert [record.levelname for record in caplog.records if record.levelname != "WARNING"] == ["ERROR"]
    assert "KAFKA_BOOTSTRAP_SERVERS: is not set" in caplog.text
    assert "AGENT_RUNS_ENABLED=0" in caplog.text


@pytest.mark.parametrize(
    ("environ", "options", "problem"),
    [
        ({"AGENT_RUNS_ENABLED": "perhaps"}, {}, "AGENT_RUNS_ENABLED: "),
        ({}, {"topic": 5}, "topic: Expected `str`, got `int`"),
        ({}, {"bootstrap_server": "typo"}, "bootstrap_server: there is no such setting"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": "/no"},
            {},
            "KAFKA_SSL_CAFILE: file '/no' does not exist",
        ),
        ({"AGENT_RUNS_ENABLED": "?", "AGENT_RUNS_TOPIC": "t"}, {"topic": 1}, "topic: Expected `str`, got `int`"),
    ],
)
def test_invalid_settings_are_logged_by_name(
    environ: dict[str, str], options: dict[str, Any], problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    emitter = Emitter(environ={"KAFKA_BOOTSTRAP_SERVERS": "localhost:1", **environ}, **options)
    emitter.run("r").run_completed()

    assert problem in caplog.text
    assert emitter.stats().dropped == {"not_configured": 1}


@pytest.mark.parametrize(
    ("environ", "options", "sentence"),
    [
        (
            {"AGENT_RUNS_QUEUE_BYTES": "lots"},
            {},
            "AGENT_RUNS_QUEUE_BYTES: Expected `int`, got `str`, got 'lots' (allowed: at least 65536), "
            "and the default 67108864 is used",
        ),
        (
            {},
            {"queue_events": 1},
            "queue_events: Expected `int` >= 16, got 1 (allowed: at least 16), and the default 100000 is used",
        ),
        (
            {"AGENT_RUNS_REQUEST_TIMEOUT_S": "0"},
            {},
            "AGENT_RUNS_REQUEST_TIMEOUT_S: Expected `float` > 0.0, got '0' (allowed: more than 0 and at most 86400), "
            "and the default 10.0 is used",
        ),
        (
            {"AGENT_RUNS_EXIT_TIMEOUT": "1"},
            {},
            "AGENT_RUNS_EXIT_TIMEOUT: there is no such setting; did you mean AGENT_RUNS_EXIT_TIMEOUT_S?",
        ),
    ],
)
def test_a_number_or_name_that_is_not_valid_costs_one_error_and_no_event(
    environ: dict[str, str], options: dict[str, Any], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    emitter = Emitter(environ={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", **environ}, **{"exit_timeout_s": 0, **options})
    emitter.run("r").run_completed()

    assert emitter.stats() == Stats(emitted=1, sent=0, pending=1, dropped={}, recorded=0)
    emitter.close(0)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [f"Some of the emitter's settings are ignored; events are sent all the same: {sentence}"]


def test_an_ignored_number_has_its_default() -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "h", "AGENT_RUNS_QUEUE_BYTES": "1", "AGENT_RUNS_QUEUE_EVENTS": "17"}
    config = read_config(environ, {"exit_timeout_s": -1})

    assert config is not None
    assert config.emitter == EmitterSettings(queue_events=17)
    assert len(config.ignored) == 2


def test_the_settings_of_the_service_and_of_other_programs_are_not_unknown_to_the_emitter() -> None:
    environ = dict.fromkeys(SERVICE_VARIABLES, "1") | {"AGENT_RUNS_CACHE": "/c", "AGENT_RUNS_LANES_FILE": "/f"}
    config = read_config({"KAFKA_BOOTSTRAP_SERVERS": "h", **environ, "AGENT_RUNS_TOPIC": "t"}, {})

    assert config is not None
    assert [sentence for sentence in config.ignored if "no such setting" in sentence] == []


def test_a_positional_argument_is_logged_and_does_not_raise(caplog: pytest.LogCaptureFixture) -> None:
    emitter = Emitter("localhost:1", environ={})  # type: ignore[arg-type]
    emitter.run("r").run_completed()

    assert emitter.stats().dropped == {"not_configured": 1}
    assert "'localhost:1': there is no such setting" in caplog.text


def test_no_signature_shows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_RUNS_TEST_SECRET", "open sesame")

    assert "open sesame" not in f"{signature(Emitter)} {signature(RecordingEmitter)}"


def test_an_emitter_logs_at_its_start_where_content_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Emitter(environ={"KAFKA_BOOTSTRAP_SERVERS": "from.environ:1"}, bootstrap_servers="given:2", topic="mine")

    (record,) = caplog.records
    assert record.getMessage() == "Events of runs, with prompts and responses, are sent to Kafka at given:2, topic mine"


@pytest.mark.parametrize("switch", ["0", "false"])
def test_a_disabled_emitter_does_nothing_and_returns_ids(switch: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    emitter = Emitter(environ={"AGENT_RUNS_ENABLED": switch, "AGENT_RUNS_QUEUE_BYTES": "lots"})
    with emitter.start_run(agent_id="a") as run, run.tool("t") as call:
        call.result = run.child(agent_id="b").id
        ids = {run.input("t"), run.input(), run.run_waiting()}  # type: ignore[call-arg]

    assert len(ids) == 3
    assert all(len(event_id) == 12 for event_id in ids)
    assert emitter.stats() == NO_EVENTS
    assert emitter.flush() == emitter.close() == 0
    assert [record.getMessage() for record in caplog.records] == ["Agent Runs is switched off: no event is sent"]


def test_every_setting_can_be_given_as_an_argument() -> None:
    switch = {"enabled": bool}
    settings = get_type_hints(KafkaSettings) | get_type_hints(EmitterSettings)

    assert set(Options.__annotations__) == set(settings) | set(switch)
    for name, kind in get_type_hints(Options).items():
        assert kind == {**settings, **switch}[name], name


# --- redaction ---


def test_a_mask_gets_every_content_field_and_its_name() -> None:
    seen: dict[str, Any] = {}

    def mask(field: str, value: Any) -> Any:
        seen[field] = value
        return f"masked {field}"

    emitter = RecordingEmitter(mask=mask)
    run = emitter.run("r")
    for call in CALLS.values():
        call(run)
    emitter.emit("r", decode_event(message("brand_new", secret=[1])))

    expected = {
        f"{name}.{field}": value
        for name, fields in FIELDS.items()
        for field, value in fields.items()
        if field not in {"tool", "tool_name", "model", "agent_id", "session_id", "parent_run_id", "count", "types"}
    }
    assert seen == expected | {"brand_new.secret": [1]}
    for event in emitter.events():
        if isinstance(event, UnknownEvent):
            assert event.message["secret"] == "masked brand_new.secret"
            continue
        for field, value in FIELDS[event.type].items():
            masked = f"{event.type}.{field}" in expected
            assert getattr(event, field) == (f"masked {event.type}.{field}" if masked else value)
    assert emitter.stats().dropped == {}


def test_every_field_of_the_contract_is_either_a_name_or_content() -> None:
    # A new field belongs to one of these sets: add it here, and its content to `redaction`.
    names = {"tool", "tool_name", "model", "agent_id", "session_id", "parent_run_id", "count", "types"}
    names |= {"role", "labels"}
    contents = {"data", "context", "tool_args", "result", "system_prompt", "user_prompt", "raw_response"}
    fields = {field for cls in EVENT_CLASSES.values() for field in cls.__struct_fields__}

    assert fields == names | contents | {"error", "reason", "detail", "id", "parent_event_id", "timestamp"}


def test_a_mask_that_fails_leaves_a_placeholder_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def mask(field: str, value: Any) -> Any:
        if field == "llm_called.user_prompt":
            raise LookupError(value)
        return 5 if field == "llm_called.raw_response" else value

    emitter = RecordingEmitter(mask=mask)
    for _ in range(3):
        emitter.run("r").llm_called(model="m", system_prompt="s", user_prompt="secret", raw_response="secret")

    event, *_ = emitter.events()
    assert isinstance(event, LlmCalled)
    assert event.system_prompt == "s"
    assert event.user_prompt == "[masked: the mask raised LookupError]"
    assert event.raw_response == "[masked: the mask returned int, not text]"
    assert [b"secret" in record.value for record in emitter.records] == [False] * 3
    # Each field is logged once, at its first failure.
    assert [record.getMessage() for record in caplog.records] == [
        "The mask failed for llm_called.user_prompt: it raised LookupError; a placeholder replaces the content",
        "The mask failed for llm_called.raw_response: it returned int, not text; a placeholder replaces the content",
    ]


def test_an_identity_mask_leaves_an_unknown_event_unchanged() -> None:
    emitter = RecordingEmitter(mask=lambda _, value: value)
    event = decode_event(message("brand_new", error={"code": 5}, reason=None, data=[1]))
    emitter.emit("r", event)

    assert emitter.events() == [event]


def test_the_error_of_a_failed_run_is_masked() -> None:
    emitter = RecordingEmitter(mask=lambda _, value: str(value).replace("4711", "****"))
    with pytest.raises(ValueError, match="4711"), emitter.run("r"):
        raise ValueError("card 4711")

    (event,) = emitter.events()
    assert isinstance(event, RunFailed)
    assert event.error == "ValueError: card ****"


# --- traces ---


def test_without_a_span_there_is_no_header(emitter: RecordingEmitter, run: Run) -> None:
    run.run_completed()

    assert emitter.records[0].headers == ()


def test_the_header_has_the_current_span(emitter: RecordingEmitter, run: Run) -> None:
    from opentelemetry import trace

    context = trace.SpanContext(0xA, 0xB, is_remote=False, trace_flags=trace.TraceFlags(1))
    with trace.use_span(trace.NonRecordingSpan(context)):
        run.input("t")
    run.run_completed()

    traceparent = b"00-0000000000000000000000000000000a-000000000000000b-01"
    assert [record.headers for record in emitter.records] == [(("traceparent", traceparent),), ()]


def test_a_trace_api_that_fails_drops_no_event(
    emitter: RecordingEmitter, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An incomplete module, as while another thread imports it, and replacements that tests of agents may use.
    for tracer in (ModuleType("opentelemetry.trace"), MagicMock(), None):
        monkeypatch.setitem(sys.modules, "opentelemetry.trace", tracer)
        run.run_completed()

    assert emitter.stats() == Stats(emitted=3, sent=3, pending=0, dropped={}, recorded=0)


# --- threads, signal handlers, finalisers ---


def test_at_most_twenty_warnings_are_logged_a_minute(
    run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misuse() -> None:
        caplog.clear()
        for number in range(50):
            run.run_waiting(parent="x" * (300 + number))

    misuse()
    assert len(caplog.records) == 20
    misuse()
    assert caplog.records == []
    monkeypatch.setattr("agent_runs.emitter.rate_limited_log.monotonic", lambda: monotonic() + 61)
    misuse()
    assert len(caplog.records) == 20


def test_a_closed_emitter_stays_closed_after_a_fork(emitter: RecordingEmitter, run: Run) -> None:
    emitter.close()

    emitter._pipeline.reset()  # type: ignore[union-attr]  # as in the child of a fork
    run.run_completed()

    assert emitter.stats().dropped == {"closed": 1}


def test_a_log_handler_that_raises_changes_no_count(emitter: RecordingEmitter, run: Run) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise LookupError(record)

    handler = Broken()
    logging.getLogger("agent_runs").addHandler(handler)
    try:
        run.input(tool=5)  # type: ignore[arg-type]
        run.input()  # type: ignore[call-arg]
        run.tool_succeeded("t", "x" * 17_000_000)
    finally:
        logging.getLogger("agent_runs").removeHandler(handler)

    assert emitter.stats() == Stats(emitted=3, sent=0, pending=0, dropped={"invalid": 2, "too_large": 1}, recorded=3)


def test_many_threads_share_an_emitter(emitter: RecordingEmitter) -> None:
    def work(number: int) -> None:
        for step in range(50):
            emitter.run(f"run-{number}").tool_succeeded("t", step)

    threads = [Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert emitter.stats() == Stats(emitted=3200, sent=3200, pending=0, dropped={}, recorded=0)
    for number in range(64):
        results = [event.result for event in emitter.events(f"run-{number}") if isinstance(event, ToolSucceeded)]
        assert results == list(range(50))


@pytest.fixture
def call_repeatedly() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Call a function in a signal handler of the main thread every half millisecond."""
    before = signal.getsignal(signal.SIGALRM)

    def start(function: Callable[[], object]) -> None:
        signal.signal(signal.SIGALRM, lambda *_: function())
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_signal_handler_may_emit_inside_an_emit(
    emitter: RecordingEmitter, call_repeatedly: Callable[[Callable[[], object]], None]
) -> None:
    handler, main = emitter.run("handler"), emitter.run("main")
    interruptions: list[str] = []
    call_repeatedly(lambda: interruptions.append(handler.run_waiting()))
    deadline, emitted = monotonic() + 60, 0
    while len(interruptions) <= 100 and monotonic() < deadline:
        emitted += bool(main.input("t", emitted))
    signal.setitimer(signal.ITIMER_REAL, 0)
    main.run_completed()

    interrupted = len(emitter.events("handler"))
    assert interrupted > 100
    assert emitter.stats().emitted == emitted + 1 + interrupted
    assert emitter.stats() == Stats(
        emitted=emitted + 1 + interrupted, sent=emitted + 1 + interrupted, pending=0, dropped={}, recorded=0
    )
    assert [event.data for event in emitter.events("main") if isinstance(event, Input)] == list(range(emitted))


def test_finalisers_that_emit_and_threads_do_not_block_each_other(emitter: RecordingEmitter) -> None:
    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            emitter.run("finalised").run_waiting()

    def work(number: int) -> None:
        run = emitter.run(f"run-{number}")
        for step in range(1_500):
            Cycle()
            run.input("t", [[step]])

    thresholds = gc.get_threshold()
    gc.set_threshold(5)
    threads = [Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        gc.set_threshold(*thresholds)
    assert not any(thread.is_alive() for thread in threads)
    gc.collect()
    emitter.run("last").run_completed()
    # The number of deferred events is bounded: if more finalisers run inside one update, some events are dropped.
    stats = emitter.stats()
    assert (stats.emitted, stats.sent + stats.dropped.get("queue_full", 0)) == (12_001, 12_001)
    assert stats.recorded == 12_001 - stats.sent


def test_a_finaliser_may_emit_inside_an_emit(emitter: RecordingEmitter, run: Run) -> None:
    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            run.run_waiting("finalised")

    thresholds = gc.get_threshold()
    gc.set_threshold(5)
    try:
        for number in range(2000):
            Cycle()
            run.input("t", [[number]])
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    run.run_completed()

    assert emitter.types().count("run_waiting") == 2000
    assert emitter.stats().sent == 4001
