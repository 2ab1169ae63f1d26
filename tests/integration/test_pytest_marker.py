"""The marker `replay` of the pytest plugin, in real runs of pytest on a project of its own."""

import json
from pathlib import Path

import pytest

pytest_plugins = "pytester"

AGENT = """
from pathlib import Path

from agent_runs import tool

def live(answer):
    with Path("called.txt").open("a") as file:
        file.write(f"{answer}\\n")
    return answer

@tool
def find_slot(person):
    return live({"with": person})

def run_agent(emitter, recording, text):
    with emitter.start_run(agent_id="scheduler", recording=recording) as run:
        run.input("message_from_user", text)
        with run.llm("m", text, "You book.") as call:
            person = call.answer(lambda: live("ada"))
        return find_slot(person)
"""
TEST = """
import pytest
from agent import run_agent

def text_of(recording):
    recorded = recording.next_input()
    return recorded.data if recorded else "A meeting with Ada?"

@pytest.mark.replay("runs/*.jsonl", strict=True)
def test_agent(recording, recording_emitter):
    assert run_agent(recording_emitter, recording, text_of(recording)) == {"with": "ada"}

@pytest.mark.replay("runs/*.jsonl")
async def test_async(recording, recording_emitter):
    run_agent(recording_emitter, recording, text_of(recording))
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    pytester.makefile(
        ".ini", pytest="[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\npythonpath = .\n"
    )
    pytester.makepyfile(agent=AGENT, test_agent=TEST)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # importing the other plugins takes seconds
    # With one of these, pytest writes each message a second time, into its summary.
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    return pytester


def run(project: pytest.Pytester, *arguments: str, in_process: bool = False) -> pytest.RunResult:
    """Run pytest in a process of its own; or in this one, which is faster."""
    project.path.joinpath("called.txt").unlink(missing_ok=True)
    start = project.runpytest_inprocess if in_process else project.runpytest_subprocess
    return start("-p", "agent_runs", "-p", "asyncio", "-p", "no:cacheprovider", "--tb=short", *arguments)


def calls(project: pytest.Pytester) -> list[str]:
    path = project.path / "called.txt"
    return path.read_text().splitlines() if path.exists() else []


def change(project: pytest.Pytester, old: str, new: str) -> None:
    path = project.path / "agent.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_runs_are_recorded_and_replayed_and_a_divergence_is_a_readable_failure(project: pytest.Pytester) -> None:
    # Without a recorded run, the tests fail and say how to record one.
    result = run(project)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*no recorded run matches *runs/?.jsonl: record one with `pytest --replay-record`*"])

    # Recorded, the test has made its calls.
    run(project, "--replay-record", "test_agent.py::test_agent").assert_outcomes(passed=1)
    assert calls(project) == ["ada", "{'with': 'ada'}"]
    file = project.path / "runs" / "test_agent.jsonl"
    recorded = file.read_bytes()

    # Replayed, it makes none; each recorded run is one test.
    (project.path / "runs" / "second.jsonl").write_bytes(recorded)
    result = run(project, "-v")
    result.assert_outcomes(passed=4)
    assert calls(project) == []
    names = ["test_agent.py::test_agent?second?", "test_agent.py::test_async?test_agent?"]
    result.stdout.fnmatch_lines([f"{name} PASSED*" for name in names])

    # A changed prompt is accepted unless the recording is strict. A failure has the message and no traceback.
    change(project, '"You book."', '"You book rooms."')
    result = run(project)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "The replay of second.jsonl, run test_agent, diverges.",
            "The agent asked for the model 'm' *",
            "First difference: at system_prompt: *",
            "The call is in *agent.py:*",
            "If the agent is right: record the run again with `--replay-record`*",
        ]
    )
    assert "Traceback" not in result.stdout.str()

    # Recorded again, with the recorded inputs, the file shows what has changed, and nothing else.
    run(project, "--replay-record", "-k", "test_agent and not second").assert_outcomes(passed=2, deselected=2)
    run(project, "-k", "test_agent and not second").assert_outcomes(passed=2, deselected=2)
    changed = [(old, new) for old, new in lines_of(recorded, file.read_bytes()) if old != new]
    assert [new.get("event", {}).get("type", "end") for _, new in changed] == ["llm_called", "end"]


def lines_of(*files: bytes) -> list[tuple[dict[str, dict[str, str]], ...]]:
    """The lines of two files side by side."""
    return list(zip(*([json.loads(line) for line in file.splitlines()] for file in files), strict=True))


def test_a_divergence_that_the_agent_catches_and_a_child_run_fail_the_test(project: pytest.Pytester) -> None:
    child = 'with run.child(agent_id="booker"):\n            '
    change(project, "return find_slot(person)", f"{child}return find_slot(person)")
    run(project, "--replay-record", in_process=True).assert_outcomes(passed=2)
    run(project, in_process=True).assert_outcomes(passed=4)
    assert calls(project) == []

    catching = "try: return find_slot(2)\n            except Exception: return {'with': 'ada'}"
    change(project, "return find_slot(person)", catching)
    result = run(project, in_process=True)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(['*First difference: at person: recorded "ada", asked 2.*'])


def test_a_test_that_cannot_be_replayed_is_refused_with_a_sentence(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_agent="""
        import pytest

        def test_without_marker(recording):
            pass

        @pytest.mark.replay("runs/*.jsonl")
        def test_without_events(recording):
            pass
        """
    )
    result = run(project, "--replay-record", in_process=True)
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*the fixture `recording` needs the marker*", "*emitted no events with the fixture*"])
    assert not Path(project.path, "runs").exists()

    # Each wrong marker or file is one sentence; the other tests of the module run.
    bad = project.path / "bad.jsonl"
    bad.write_text("no run file\n")
    project.makepyfile(
        test_agent="""
        import pytest

        @pytest.mark.replay("a")
        def test_without_fixture(): pass

        @pytest.mark.replay("runs/*.jsonl", "more")
        def test_two(recording): pass

        @pytest.mark.replay("/runs/*.jsonl")
        def test_absolute(recording): pass

        @pytest.mark.replay("")
        def test_empty(recording): pass

        @pytest.mark.replay("bad.jsonl")
        def test_bad_file(recording): pass

        @pytest.mark.replay("bad.jsonl")
        class TestOthers:
            def test_of_the_class(self): pass
        """
    )
    result = run(project, in_process=True)
    result.assert_outcomes(passed=1, failed=1, errors=4)
    output = result.stdout.str()
    assert output.count(f"has one argument, the path of run files relative to {project.path}: ") == 3
    assert f"cannot be replayed: {bad}: line 1: not a line of a run file" in output
    assert "a test with the marker `replay` has the fixture `recording`: add it" in output


def test_markers_work_with_parameters_classes_wrapped_fixtures_and_wrong_options(project: pytest.Pytester) -> None:
    run(project, "--replay-record", "test_agent.py::test_agent", in_process=True).assert_outcomes(passed=1)
    project.makepyfile(
        test_agent="""
        import pytest
        from agent import run_agent

        @pytest.fixture
        def wrapped(recording):
            return recording

        @pytest.mark.replay("runs/*.jsonl", strict=True)
        class TestAgent:
            @pytest.mark.parametrize("number", [1, 2])
            async def test_it(self, wrapped, recording_emitter, number):
                run_agent(recording_emitter, wrapped, wrapped.next_input().data)

        @pytest.mark.replay("runs/*.jsonl", until=99)
        def test_until(recording): pass
        """
    )
    result = run(project, in_process=True)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["test_agent.jsonl, run test_agent, cannot be replayed: until=99: *"])
    assert calls(project) == []
