"""Child runs of one agent in a replay: each is answered by the recorded run that it stands for."""

import asyncio
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from agent_runs import ToolRequested, ToolSucceeded
from agent_runs.emitter import Run
from agent_runs.events import RunStarted
from agent_runs.reader import StoredEvent
from agent_runs.replay import Ambiguous, Divergence, NthLlmCall, Recording, ToolRule
from agent_runs.testing import RecordingEmitter

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def ask(run: Run, prompt: str, model: Any = lambda: pytest.fail("the model was called")) -> str:
    with run.llm("m", prompt) as call:
        answer: str = call.answer(model)
    return answer


def dice(run: Run, roll: Any = lambda: pytest.fail("the tool was called")) -> Any:
    with run.tool("dice", {}) as call:
        return call.answer(roll)


def record(emitter: RecordingEmitter, *names: str, has_input: bool = True) -> tuple[Run, Recording]:
    """Record a run with a child for each name; each child asks for its name, rolls, and asks again."""
    parent = emitter.start_run(agent_id="parent")
    ask(parent, "begin", lambda: "begun")
    for name in names:
        with parent.child(agent_id="part") as child:
            if has_input:
                child.input("task", {"name": name})
            ask(child, f"v1 {name}", lambda name=name: f"to {name}")
            dice(child, lambda name=name: f"rolled by {name}")
            ask(child, "v1 end", lambda name=name: f"end of {name}")
    ask(parent, "finish", lambda: "finished")
    return parent, recording_of(emitter, parent)


def recording_of(emitter: RecordingEmitter, parent: Run, **options: Any) -> Recording:
    """Return the recording of a run, with those of its child runs."""
    recording = Recording(emitter.events(parent.id), run_id=parent.id, **options)
    ids = [run_id for run_id in emitter.run_ids if run_id != parent.id]
    events = [event for run_id in ids for event in emitter.events(run_id)]
    recording.children["part"] = Recording(events, run_id=ids, tools=options.get("tools"))
    return recording


async def part(parent: Run, name: str, rng: Random, version: str = "v2") -> list[str]:
    async def wait() -> None:
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)

    await wait()
    with parent.child(agent_id="part") as child:
        child.input("task", {"name": name})
        await wait()
        answers = [ask(child, f"{version} {name}")]
        await wait()
        answers.append(dice(child))
        await wait()
        return [*answers, ask(child, f"{version} end")]


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_parallel_child_runs_are_told_apart_by_their_inputs(emitter: RecordingEmitter, version: str) -> None:
    names = ("ada", "bob", "eve")
    parent, _ = record(emitter, *names)

    for seed in range(30):
        recording = recording_of(emitter, parent)
        replayed = RecordingEmitter().start_run(agent_id="parent", recording=recording)
        rng = Random(seed)
        found = await asyncio.gather(*(part(replayed, name, rng, version) for name in reversed(names)))
        assert found == [[f"to {name}", f"rolled by {name}", f"end of {name}"] for name in reversed(names)]
        assert len(recording.report().children["part"].drifted) == (0 if version == "v1" else 6)


async def test_a_child_run_with_another_input_is_not_answered_by_the_run_that_is_left(
    emitter: RecordingEmitter,
) -> None:
    _, recording = record(emitter, "ada", "bob")
    replayed = RecordingEmitter().start_run(agent_id="parent", recording=recording)

    await part(replayed, "ada", Random(0))
    with pytest.raises(Divergence, match="'v2 carl'"):
        await part(replayed, "carl", Random(0))
    assert (await part(replayed, "bob", Random(0)))[0] == "to bob"


def test_changed_child_runs_without_inputs_are_refused(emitter: RecordingEmitter) -> None:
    _, recording = record(emitter, "ada", "bob", has_input=False)
    replayed = RecordingEmitter().start_run(agent_id="parent", recording=recording)

    with pytest.raises(Ambiguous, match=r"- event 1 of run '.*', model 'm', user prompt 'v1 ada'"):
        ask(replayed.child(agent_id="part"), "v2 bob")
    child = replayed.child(agent_id="part")
    assert [ask(child, "v1 bob"), dice(child), ask(child, "v1 end")] == ["to bob", "rolled by bob", "end of bob"]


def test_child_runs_with_equal_inputs_are_told_apart_by_their_calls(emitter: RecordingEmitter) -> None:
    parent = emitter.start_run(agent_id="parent")
    for name in ("author", "critic"):
        child = parent.child(agent_id="part")
        child.input("task", "a draft")
        ask(child, name, lambda name=name: f"to {name}")
        dice(child, lambda name=name: f"rolled by {name}")
    replayed = RecordingEmitter().start_run(agent_id="parent", recording=recording_of(emitter, parent))

    for name in ("critic", "author"):
        child = replayed.child(agent_id="part")
        child.input("task", "a draft")
        assert [ask(child, name), dice(child)] == [f"to {name}", f"rolled by {name}"]


def test_a_report_and_finish_cover_the_child_runs(emitter: RecordingEmitter) -> None:
    _, recording = record(emitter, "ada", "bob")
    replayed = RecordingEmitter().start_run(agent_id="parent", recording=recording)
    ask(replayed, "begin")
    for name in ("ada", "bob"):
        child = replayed.child(agent_id="part")
        ask(child, f"v1 {name}")
    ask(child, "v1 end")
    ask(replayed, "finish")

    report = recording.report()
    assert (report.is_clean, report.unserved, len(report.children["part"].unserved)) == (False, [], 3)
    lines = str(report).splitlines()
    assert lines[0] == "2 of 2 recorded calls answered from the recording; the agent made no other calls"
    assert lines[1].startswith("  child runs of 'part': 3 of 6 recorded calls answered")
    assert lines[2] == f"  not made: event 3 of run {emitter.run_ids[1]!r}, tool 'dice'"
    with pytest.raises(Divergence) as raised:
        ask(child, "unknown")
    assert "until=" not in str(raised.value)  # it is not used for child runs


def test_the_parent_keeps_its_place_after_many_child_runs(emitter: RecordingEmitter) -> None:
    names = [f"n{number}" for number in range(40)]
    _, recording = record(emitter, *names)
    replayed = RecordingEmitter().start_run(agent_id="parent", recording=recording)

    ask(replayed, "begin")
    for name in names:
        ask(replayed.child(agent_id="part"), f"v1 {name}")
    assert ask(replayed, "finish, please") == "finished"


def test_all_parents_keep_their_places_after_many_child_runs(emitter: RecordingEmitter) -> None:
    def agent(parent: Run, answer: Any) -> Any:
        ask(parent, "begin", answer)
        with parent.child(agent_id="part") as middle:
            for _ in range(40):
                ask(middle.child(agent_id="inner"), "begin", answer)
        dice(parent, answer)
        return dice(parent, answer)

    parent = emitter.start_run(agent_id="parent")
    agent(parent, iter(range(1000)).__next__)
    # A part that runs at the same time, and makes the same calls.
    parent.tool_succeeded("dice", "x", parent=parent.tool_requested("dice", {}, parent=emitter.events(parent.id)[0].id))
    recording = Recording(emitter.events(parent.id))
    ids = [run_id for run_id in emitter.run_ids if run_id != parent.id]
    recording.children["part"] = Recording(emitter.events(ids[0]))
    inner = [event for run_id in ids[1:] for event in emitter.events(run_id)]
    recording.children["part"].children["inner"] = Recording(inner, run_id=ids[1:])

    replayed = RecordingEmitter().start_run(agent_id="parent", recording=recording)
    assert agent(replayed, lambda: pytest.fail("a call was made")) == 42


def test_a_child_run_that_begins_after_the_place_of_until_calls_the_real_model(emitter: RecordingEmitter) -> None:
    parent, _ = record(emitter, "ada")
    recording = recording_of(emitter, parent, until=NthLlmCall(1), tools={"dice": ToolRule(on_miss="live")})
    replayed = RecordingEmitter().start_run(agent_id="parent", recording=recording)

    assert ask(replayed, "begin") == "begun"
    assert ask(replayed, "finish", lambda: "live") == "live"
    for agent_id in ("part", "new"):
        child = replayed.child(agent_id=agent_id)
        assert ask(child, "v1 ada", lambda: "live") == "live"
    assert dice(child, lambda: "rolled live") == "rolled live"
    assert recording.report().children["new"].live


def test_events_of_several_runs_that_are_mixed_are_refused(emitter: RecordingEmitter) -> None:
    runs = [emitter.start_run(agent_id="parent") for _ in range(2)]
    for run in runs:
        run.input("message", "x")

    with pytest.raises(ValueError, match=r"several runs are mixed: .* `emitter\.events\(run_id\)`"):
        Recording([emitter.events(run.id)[at] for at in (0, 1) for run in runs])


def events_of(result: str | None, first_offset: int) -> list[StoredEvent]:
    """Return the events of a run in which ids are unique within the run only, and answers name no request."""
    events: list[Any] = [RunStarted(id="0", timestamp=AT, agent_id="part")]
    events.append(ToolRequested(id="1", timestamp=AT, tool_name="dice", tool_args={}))
    if result is not None:
        events.append(ToolSucceeded(id="2", timestamp=AT, tool_name="dice", result=result))
    return [
        StoredEvent(seq=seq, created_at=AT, partition=0, offset=first_offset + seq, event=event)
        for seq, event in enumerate(events)
    ]


def test_the_events_of_one_run_answer_no_request_of_another(emitter: RecordingEmitter) -> None:
    recording = Recording([*events_of(None, 0), *events_of("second", 2), *events_of("third", 5)])

    assert [unit.run_name for unit in recording.report().unserved] == ["run 1 of 3", "run 2 of 3", "run 3 of 3"]
    assert [unit.answer and unit.answer.value for unit in recording.report().unserved] == [None, "second", "third"]
