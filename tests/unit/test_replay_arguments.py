"""Wrong arguments of a recording are refused with a sentence, and never let a real model or tool be called."""

import re
from pathlib import Path
from typing import Any

import pytest

from agent_runs import tool
from agent_runs.emitter import Run
from agent_runs.reader.sync_reader import SyncRunSource
from agent_runs.replay import Divergence, Recording, ToolRule
from agent_runs.run_file import RunFile
from agent_runs.testing import RecordingEmitter
from tests.support.replay.run_files import write_run


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recording("run-1"), "'r' is not an event: pass typed events"),
        (lambda: Recording([{"type": "input"}]), "{'type': 'input'} is not an event"),
        (
            lambda: Recording([], tools={"t": {"ignore": "a"}}),  # type: ignore[dict-item]
            "tools: 't' has {'ignore': 'a'}; it must have a ToolRule",
        ),
        (lambda: ToolRule(ignore="id"), "ignore='id': it must be a tuple of names, such as ('id',)"),  # type: ignore[arg-type]
        (lambda: ToolRule(on_miss="fail"), "on_miss='fail': it must be"),  # type: ignore[arg-type]
        (lambda: Recording([], until=0), "until=0: the run has no events"),
    ],
)
def test_a_wrong_argument_is_refused_with_a_sentence(make: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        make()


async def test_a_run_that_is_not_stored_has_no_recording(tmp_path: Path) -> None:
    emitter = RecordingEmitter()
    emitter.start_run(agent_id="agent")
    write_run(tmp_path / "run.jsonl", "run-1", emitter.events())

    with pytest.raises(ValueError, match="the run 'run-2' is not stored"):
        await Recording.load(RunFile(tmp_path / "run.jsonl"), "run-2")


async def test_synchronous_code_loads_a_recording_with_load_sync(tmp_path: Path) -> None:
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="agent")
    run.llm_called(model="m", system_prompt="", user_prompt="ask", raw_response="answer")
    write_run(tmp_path / "run.jsonl", run.id, emitter.events())

    with SyncRunSource(RunFile(tmp_path / "run.jsonl")) as source:
        recording = Recording.load_sync(source, run.id)
        with pytest.raises(TypeError, match=r"with a SyncReader, call `Recording\.load_sync`"):
            await Recording.load(source, run.id)  # type: ignore[arg-type]
    assert recording.llm(model="m", user_prompt="ask") == "answer"


@tool
def charge(amount: int) -> str:
    raise AssertionError(f"the real tool was called with {amount}")


def make_calls(run: Run) -> list[str]:
    """Make a call of a model and of a tool, and return the errors."""
    errors = []
    with run:
        with pytest.raises(TypeError) as raised:
            charge(1)
        errors.append(str(raised.value))
        with pytest.raises(TypeError) as raised, run.llm("m", "ask") as call:
            call.answer(lambda: pytest.fail("the real model was called"))
        errors.append(str(raised.value))
    return errors


def test_a_run_with_something_else_than_a_recording_makes_no_call_and_is_emitted(tmp_path: Path) -> None:
    emitter = RecordingEmitter()
    file = write_run(tmp_path / "run.jsonl", "run-1", [])
    coroutine = Recording.load(RunFile(file), "run-1")  # the agent has forgotten to await it

    for run in (
        emitter.start_run(agent_id="agent", recording=coroutine),  # type: ignore[arg-type]
        emitter.run("continued", recording=coroutine),  # type: ignore[arg-type]
        emitter.start_run(agent_id="agent").child(agent_id="child", recording=coroutine),  # type: ignore[arg-type]
        emitter.start_run(agent_id="agent", recording=coroutine).child(agent_id="child"),  # type: ignore[arg-type]
    ):
        assert all("is not a recording: nothing answers the calls of the run; await it" in e for e in make_calls(run))
    coroutine.close()
    assert not emitter.stats().dropped


def test_an_input_that_the_agent_changes_is_the_recorded_one_for_others() -> None:
    emitter = RecordingEmitter()
    emitter.start_run(agent_id="agent").input("message", {"tags": ["a"]}, channel="mail")
    events = emitter.events()
    recording = Recording(events)

    for changed in (recording.next_input(), recording.inputs[0]):
        assert changed is not None
        changed.data["tags"].append("b")
    (found,) = recording.inputs
    other = Recording(events).next_input()
    assert (found.data, other and other.data) == ({"tags": ["a"]}, {"tags": ["a"]})
    assert found.further_fields == {"channel": "mail"}


def test_the_error_at_the_end_counts_the_other_divergences_and_the_report_has_no_remedies() -> None:
    recording = Recording([])
    for name in ("a", "b", "c"):
        with pytest.raises(Divergence):
            recording.tool(name, {})

    with pytest.raises(
        Divergence, match=r"the tool 'a' (.|\n)*2 more calls raised a divergence: see `recording\.report"
    ):
        recording.finish()
    assert str(recording.report()).splitlines()[1:] == [
        f"divergence: The agent asked for the tool '{name}' with {{}}. The recorded run never calls a tool of this "
        "name. It calls: none."
        for name in ("a", "b", "c")
    ]


def test_after_wrong_arguments_a_replay_makes_no_call_either(caplog: pytest.LogCaptureFixture) -> None:
    emitter = RecordingEmitter()
    recording = Recording([])
    parent = emitter.start_run(agent_id="agent", recording=recording)
    with recording:
        in_block = emitter.start_run("agent")  # type: ignore[call-arg]  # the agent is a keyword

    for run in (
        in_block,
        emitter.start_run("agent", recording=recording),  # type: ignore[call-arg]
        emitter.run(recording=recording),  # type: ignore[call-arg]
        parent.child("child"),  # type: ignore[call-arg]
    ):
        assert all("wrong arguments, so the recording does not answer its calls" in e for e in make_calls(run))
    for call in (parent.llm("m"), parent.tool()):  # type: ignore[call-arg]
        with call, pytest.raises(TypeError, match="wrong arguments, so the recording cannot answer it"):
            call.answer(lambda: pytest.fail("the real model or tool was called"))
    assert "start_run: TypeError" in caplog.text


def test_the_error_of_a_key_function_names_the_arguments() -> None:
    emitter = RecordingEmitter()
    with emitter.start_run(agent_id="agent").tool("t", {"name": "ada"}):
        pass

    with pytest.raises(KeyError) as raised:
        Recording(emitter.events(), tools={"t": ToolRule(key=lambda arguments: arguments["id"])})
    assert raised.value.__notes__ == ['raised by the function `key` of a ToolRule, for {"name":"ada"}']
