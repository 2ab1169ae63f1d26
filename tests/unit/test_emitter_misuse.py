"""Wrong arguments, and events that are too large: they are counted and logged, and no call raises."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from agent_runs import Emitter, Input, Run
from agent_runs.emitter.stats import Stats
from agent_runs.testing import RecordingEmitter

pytestmark = pytest.mark.usefixtures("own_logs")
NO_EVENTS = Stats(emitted=0, sent=0, pending=0, dropped={}, recorded=0)


class BrokenStr(Exception):
    def __str__(self) -> str:
        raise LookupError

    def __repr__(self) -> str:
        return "BrokenStr()"


class Unhashable:
    def __hash__(self) -> int:
        raise BrokenStr


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
