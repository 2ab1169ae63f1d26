"""Copies and pickles of emitters, runs and calls, as frameworks make them of an agent's state."""

import copy
import dataclasses
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from agent_runs import Emitter, Run, current_run, decode_event
from agent_runs.emitter.redaction import Mask
from agent_runs.testing import RecordingEmitter
from tests.support.paths import CHECKOUT


@dataclasses.dataclass
class State:
    run: Run


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


COPIES: dict[str, Callable[[Any], Any]] = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": pickled} | {
    "asdict": lambda value: dataclasses.asdict(State(value))["run"],
    "astuple": lambda value: dataclasses.astuple(State(value))[0],
    "deepcopy in a list": lambda value: copy.deepcopy([value])[0],
    "oldest protocol": lambda value: pickle.loads(pickle.dumps(value, 0)),
}


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_a_copy_is_the_same_run(make_copy: Callable[[Any], Any], recording_emitter: RecordingEmitter) -> None:
    with recording_emitter.start_run(agent_id="a") as run:
        copied = make_copy(run)
        first = copied.input("message_from_user", 1)
        copied.tool_requested("ask_human")

    events = recording_emitter.events()
    assert copied is run
    assert events[2].parent_event_id == first
    assert recording_emitter.status() == "waiting"  # the end of the block knows what the copy has emitted


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_a_copy_of_an_emitter_is_the_same_emitter(make_copy: Callable[[Any], Any]) -> None:
    for emitter in (RecordingEmitter(), Emitter(enabled=False), Emitter(bootstrap_servers="", environ={})):
        assert make_copy(emitter) is emitter


def test_a_copy_of_a_call_is_the_same_call(recording_emitter: RecordingEmitter) -> None:
    run = recording_emitter.run("run")
    for call in (run.tool("search"), run.llm("m", "…")):
        with call:
            assert copy.deepcopy(call) is call
            assert pickled(call) is call


def test_the_run_outside_of_all_blocks_can_be_copied_and_pickled() -> None:
    run = current_run()
    assert copy.deepcopy(run) is run
    assert elsewhere(run, "print(LOAD.id)") == run.id


# --- in another process ---


def elsewhere(run: Run, program: str) -> str:
    """Unpickle a run in a new process, run the program there, and return what it prints."""
    program = f"import pickle, sys; from agent_runs import Emitter; {program}"
    command = [sys.executable, "-c", program.replace("LOAD", "pickle.load(sys.stdin.buffer)")]
    done = subprocess.run(command, input=pickle.dumps(run), capture_output=True, check=True, cwd=CHECKOUT)
    return done.stdout.decode().strip()


def work(run: Run, name: str) -> tuple[str | None, str]:
    """Emit an event in a process of a pool; return its parent, and the status of the run."""
    emitted = run.context_assembled(name)
    (value,) = (record.value for record in pickled(run._pipeline).records if emitted.encode() in record.value)
    return decode_event(value).parent_event_id, run._chain.status


def work_in_current_run(name: str) -> str | None:
    return work(current_run(), name)[0]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forks a process with threads
def test_a_pool_of_processes_takes_up_the_run(
    method: str, recording_emitter: RecordingEmitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fork server listens at a path in the temporary directory, and a socket's path is limited to about 100 bytes.
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    with ProcessPoolExecutor(1, get_context(method)) as pool, recording_emitter.start_run(agent_id="a") as run:
        asked = run.tool_requested("ask_human")
        assert pool.submit(work, run, "tea").result() == (asked, "waiting")
        wrapped = run.wrap(work_in_current_run)
        resumed = run.input("human_response")  # this process emits events after the other one has started, too
        assert pool.submit(work, run, "coffee").result() == (resumed, "running")
        # A wrapped function continues from the event before the call of `wrap`.
        assert pool.submit(wrapped, "milk").result() == asked


def test_another_process_uses_its_emitter_with_the_same_arguments() -> None:
    run = Emitter(topic="t", bootstrap_servers="127.0.0.1:1", sasl_password="secret").run("r")
    program = """others = Emitter(), Emitter(topic='t'); mine = Emitter(topic='t', bootstrap_servers='127.0.0.1:1');
run = LOAD; print(run.id, run._pipeline is mine._pipeline)"""
    assert elsewhere(run, program) == "r True"


def test_another_process_without_such_an_emitter_makes_one_with_the_same_arguments() -> None:
    run = Emitter(topic="t", bootstrap_servers="127.0.0.1:1", queue_events=50).run("r")
    program = "run = LOAD; print(run._pipeline._settings.topic, run._pipeline._settings.queue_events)"
    assert elsewhere(run, program) == "t 50"


def test_no_password_is_pickled() -> None:
    emitter = Emitter(bootstrap_servers="127.0.0.1:1", sasl_password="hunter2", environ={"KAFKA_SASL_PASSWORD": "h2"})
    assert b"hunter2" not in pickle.dumps(emitter.run("run"))
    assert b"h2" not in pickle.dumps(emitter)


def hide(field: str, value: object) -> str:
    return "[hidden]"


@pytest.mark.parametrize(("mask", "expected"), [(hide, "[hidden]"), (lambda *_: "", "could not be pickled")])
def test_content_is_masked_in_another_process_too(mask: Mask, expected: str) -> None:
    run = RecordingEmitter(mask=mask).run("run")
    program = "run = LOAD; run.input('x', 'secret'); print(run._pipeline.records[0].value.decode())"
    printed = elsewhere(run, program)
    assert expected in printed
    assert "secret" not in printed
