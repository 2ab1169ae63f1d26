"""`Emitter(waiting_tools=…, finishing_tools=…)`, and the labels of runs."""

import logging
import pickle
from collections import UserDict
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from typing import Any

import pytest
from msgspec import UNSET

from agent_runs import Emitter, RunStarted, RunStatus, open_questions
from agent_runs.testing import RecordingEmitter


@pytest.fixture
def emitter() -> RecordingEmitter:
    return RecordingEmitter(waiting_tools=["ask_user", "approve"], finishing_tools=("reply",))


def roles(emitter: RecordingEmitter) -> list[object]:
    return [getattr(event, "role", None) for event in emitter.events()]


# --- roles ---


def test_the_events_of_a_tool_with_a_role_have_it(emitter: RecordingEmitter) -> None:
    run = emitter.run("run-1")
    run.tool_requested("ask_user")
    run.tool_succeeded("ask_user", 1)
    run.tool_failed("approve", "no")
    with run.tool("reply"):
        pass
    run.tool_requested("search")
    run.tool_requested("ask_human")

    assert roles(emitter) == ["waits", "waits", "waits", "finishes", "finishes", UNSET, UNSET]
    assert b'"role"' not in emitter.records[-1].value


def test_a_run_of_a_renamed_human_tool_waits_until_the_last_answer(emitter: RecordingEmitter) -> None:
    with emitter.start_run(agent_id="a", run_id="run-1") as run:
        first, second = (run.tool_requested("ask_user", {"n": n}) for n in (1, 2))
        run.tool_succeeded("ask_user", "yes", parent=second)
    # The run waits, so the end of the block emits no run_completed.
    assert emitter.types() == ["run_started", "tool_requested", "tool_requested", "tool_succeeded"]
    assert emitter.status() is RunStatus.WAITING
    assert [request.id for request in open_questions(emitter.events())] == [first]

    run.input("human_response", "yes", parent=first)
    assert emitter.status() is RunStatus.RUNNING


def test_a_run_ends_with_a_renamed_terminal_tool_unless_it_crashes_after_it(emitter: RecordingEmitter) -> None:
    with emitter.start_run(agent_id="a", run_id="run-1") as run, run.tool("reply"):
        pass
    assert emitter.types("run-1")[-1] == "tool_succeeded"
    assert emitter.status("run-1") is RunStatus.COMPLETED

    with suppress(OSError), emitter.start_run(agent_id="a", run_id="run-2") as run:
        with run.tool("reply"):
            pass
        raise OSError("crash")
    assert emitter.status("run-2") is RunStatus.FAILED


class Broken:
    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("broken")


@pytest.mark.parametrize("wrong", [5, None, Broken(), ["ask_user", 5], [["ask_user"]]])
def test_what_is_not_a_collection_of_names_is_logged_and_ignored(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    emitter = RecordingEmitter(waiting_tools=wrong, finishing_tools=["reply"])
    emitter.run("run-1").tool_succeeded("reply")

    assert roles(emitter) == ["finishes"]
    assert [record.levelname for record in caplog.records if "waiting_tools" in record.getMessage()] == ["ERROR"]


def test_one_name_may_be_passed_without_a_list_and_a_tool_with_both_roles_waits() -> None:
    emitter = RecordingEmitter(waiting_tools="ask_user", finishing_tools={"ask_user": "a text", "reply": "another"})
    run = emitter.run("run-1")
    for tool in ("ask_user", "reply", "a"):
        run.tool_requested(tool)

    assert roles(emitter) == ["waits", "finishes", UNSET]


def test_a_name_that_is_not_text_is_dropped_as_without_roles(emitter: RecordingEmitter) -> None:
    wrong: Any = ["ask_user"]
    emitter.run("run-1").tool_requested(wrong)

    assert emitter.stats().dropped == {"invalid": 1}


def test_an_emitter_for_an_unpickled_run_has_the_roles(emitter: RecordingEmitter) -> None:
    state = pickle.loads(pickle.dumps(emitter._pipeline._to_pickle()))
    elsewhere = type(emitter._pipeline)._from_pickle(state._replace(program="another", number=-1))
    assert elsewhere.roles == {"ask_user": "waits", "approve": "waits", "reply": "finishes"}
    other = Emitter(waiting_tools=["x"], enabled=False)._pipeline.origin
    assert other is not None
    assert not other.is_like(Emitter(enabled=False)._pipeline.origin or other)


# --- labels ---


class Environment(StrEnum):
    TEST = "test"


def labels(emitter: RecordingEmitter) -> list[object]:
    return [event.labels for event in emitter.events() if isinstance(event, RunStarted)]


def test_runs_and_children_and_decorated_calls_have_labels() -> None:
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="a", labels={"version": "1.4", "environment": Environment.TEST})
    run.child(agent_id="b", labels=UserDict(tenant="t"))
    run.child(agent_id="c")
    emitter.run("run-2").run_started(agent_id="d", labels={"empty": ""})
    emitter.agent("e", labels={"version": "2"})(lambda: None)()

    expected = [{"version": "1.4", "environment": "test"}, {"tenant": "t"}, None, {"empty": ""}, {"version": "2"}]
    assert labels(emitter) == expected
    assert emitter.stats().dropped == {}


class Unreadable(UserDict[str, str]):
    def items(self) -> Any:
        raise RuntimeError("broken")


WRONG: list[tuple[Any, dict[str, str] | None]] = [
    ("version", None),
    (Unreadable(a="b"), None),
    ({}, None),
    ({"a": 1, "b": "2", 3: "c"}, {"b": "2"}),
    ({"": "a", "b": "\0", "c": "\ud800", "d" * 256: "e", "f": "é" * 128, "g": "h"}, {"g": "h"}),
    ({str(number): "" for number in range(40)}, {str(number): "" for number in range(32)}),
]


@pytest.mark.usefixtures("own_logs")
@pytest.mark.parametrize(("given", "kept"), WRONG)
def test_a_label_that_is_not_valid_is_left_out_with_a_warning_and_costs_no_event(
    given: Any, kept: dict[str, str] | None, caplog: pytest.LogCaptureFixture
) -> None:
    emitter = RecordingEmitter()
    emitter.start_run(agent_id="a", labels=given)

    assert labels(emitter) == [kept]
    assert emitter.stats().dropped == {}
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == (1 if given else 0)
