"""An agent that is written with the emitter is replayed by one argument, and emits the same events."""

import asyncio
import copy
import pickle
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

import pytest

from agent_runs import LlmCalled, Run, ToolRequested, ToolSucceeded, current_run, tool
from agent_runs.replay import Ambiguous, Divergence, RecordedFailure, Recording, ToolRule
from agent_runs.testing import RecordingEmitter

called: list[str] = []


@pytest.fixture(autouse=True)
def no_calls_before() -> None:
    called.clear()


@tool
def add(a: int, b: int) -> int:
    called.append("add")
    return a + b


@tool("look up")
async def look_up(name: str) -> dict[str, Any]:
    called.append("look up")
    if name == "nobody":
        raise LookupError("no such user")
    return {"name": name}


@tool
def words(text: str) -> Iterator[str]:
    called.append("words")
    yield from text.split()


@tool
async def stream(text: str) -> AsyncIterator[str]:
    called.append("stream")
    for word in text.split():
        yield word


class Clock:
    @tool
    def now(self) -> str:
        called.append("now")
        return "noon"


def note(name: str, answer: Any) -> Any:
    """Note that the real function was called, and return its answer."""
    called.append(name)
    return answer


async def work(run: Run) -> list[Any]:
    """Make each kind of call once, and return what the agent has seen."""
    seen: list[Any] = [add(1, b=2), *words("a b"), Clock().now()]
    with run.llm("m", "Ada?", "s") as call:
        seen.append(call.answer(lambda: note("model", "to Ada")))
    async with run.tool("book", {"n": seen}) as booking:
        seen.append(booking.answer(lambda: note("book", ["booked"])))
    seen += [item async for item in stream("c d")]
    seen.append(await asyncio.gather(look_up("ada"), look_up("bob")))
    try:
        await look_up("nobody")
    except LookupError as error:
        seen.append(str(error))
    return seen


ALL_CALLS = ["add", "words", "now", "model", "book", "stream", "look up", "look up", "look up"]


def content(emitter: RecordingEmitter, run: Run) -> list[dict[str, Any]]:
    """The events of a run without ids, times and durations; parents by the number of their event."""
    events = emitter.events(run.id)
    numbers = {event.id: number for number, event in enumerate(events)}
    found = []
    for event in events:
        fields = {name: getattr(event, name) for name in event.__struct_fields__ if name not in ("id", "timestamp")}
        further = {
            name: value for name, value in event.further_fields.items() if name not in ("duration_ms", "replay_of")
        }
        parent = numbers.get(fields.pop("parent_event_id") or "")
        found.append({"type": event.type, **fields, "labels": None, **further, "parent": parent})
    return found


async def record(emitter: RecordingEmitter) -> tuple[Run, list[Any]]:
    with emitter.start_run(agent_id="agent") as run:
        return run, await work(run)


def recording_of(emitter: RecordingEmitter, run: Run, **options: Any) -> Recording:
    return Recording(emitter.events(run.id), run_id=run.id, **options)


async def test_one_argument_of_the_run_replays_every_kind_of_call_and_emits_the_same_events(
    emitter: RecordingEmitter,
) -> None:
    first, seen = await record(emitter)
    assert called == ALL_CALLS
    called.clear()

    recording = recording_of(emitter, first, strict=True)
    with emitter.start_run(agent_id="agent", recording=recording) as second:
        assert await work(second) == seen

    assert called == []
    assert recording.finish().is_clean
    assert content(emitter, second) == content(emitter, first)
    started = emitter.events(second.id)[0]
    assert started.further_fields == {"replay_of": first.id}
    assert getattr(started, "labels", None) == {"replay_of": first.id}


async def test_a_decorated_agent_is_replayed_in_the_block_of_a_recording(emitter: RecordingEmitter) -> None:
    @emitter.agent("agent")
    async def agent() -> list[Any]:
        return await work(current_run())

    seen = await agent()
    (run_id,) = emitter.run_ids
    called.clear()
    with Recording(emitter.events(run_id), run_id=run_id, strict=True) as recording:
        assert await asyncio.create_task(agent()) == seen
    assert called == []
    assert recording.finish().is_clean

    await agent()  # outside of the block, the agent makes its calls again
    assert called == ALL_CALLS


async def test_a_run_that_is_continued_is_answered_too(emitter: RecordingEmitter) -> None:
    first, seen = await record(emitter)
    called.clear()

    with emitter.run("continued", recording=recording_of(emitter, first, strict=True)) as run:
        assert await work(run) == seen
    assert called == []


def test_the_labels_of_a_run_are_kept_in_a_replay(emitter: RecordingEmitter) -> None:
    recording = Recording([], run_id="old")
    run = emitter.start_run(agent_id="agent", recording=recording, labels={"version": "2", "replay_of": "mine"}, note=1)

    started = emitter.events(run.id)[0]
    assert getattr(started, "labels", None) == {"version": "2", "replay_of": "mine"}
    assert started.further_fields == {"replay_of": "old", "note": 1}


def test_a_tool_that_the_recording_lets_through_is_called(emitter: RecordingEmitter) -> None:
    rules = {name: ToolRule(on_miss="live") for name in ("add", "words")}
    with emitter.start_run(agent_id="agent", recording=Recording([], tools=rules)):
        assert (add(1, 2), list(words("a b"))) == (3, ["a", "b"])

    assert called == ["add", "words"]
    assert [event.result for event in emitter.events() if isinstance(event, ToolSucceeded)] == [3, ["a", "b"]]


async def test_a_coroutine_or_asynchronous_generator_that_is_let_through_is_awaited(emitter: RecordingEmitter) -> None:
    rules = {name: ToolRule(on_miss="live") for name in ("look up", "stream")}
    with emitter.start_run(agent_id="agent", recording=Recording([], tools=rules)):
        assert await look_up("ada") == {"name": "ada"}
        assert [item async for item in stream("a b")] == ["a", "b"]


def test_a_call_that_is_not_recorded_fails_in_the_run_and_raises(emitter: RecordingEmitter) -> None:
    recording = Recording([])
    with pytest.raises(Divergence), emitter.start_run(agent_id="agent", recording=recording):
        add(1, 2)

    assert called == []
    assert emitter.types() == ["run_started", "tool_requested", "tool_failed", "run_failed"]


def test_a_block_that_does_not_ask_for_its_answer_is_reported_as_live(emitter: RecordingEmitter) -> None:
    def respond(run: Run) -> None:
        with run.tool("respond", {"text": "hi"}) as call:
            call.result = "sent"
        with run.llm("m", "Ada?") as llm_call:
            llm_call.raw_response = "to Ada"

    first = emitter.start_run(agent_id="agent")
    respond(first)
    recording = recording_of(emitter, first, strict=True)
    respond(emitter.start_run(agent_id="agent", recording=recording))

    report = recording.finish()
    assert ([request.name for request in report.live], report.unserved) == (["respond", "m"], [])


@tool
def research(topic: str) -> str:
    with current_run().llm("m", f"research {topic}") as call:
        answer: str = call.answer(lambda: note("model", f"about {topic}"))
    return answer + str(add(1, 2))


def test_the_calls_of_a_tool_are_not_expected_when_its_result_is_served(emitter: RecordingEmitter) -> None:
    def agent(run: Run, version: str = "v1") -> str:
        found = research("tea")
        with run.llm("m", f"sum up {found}", version) as call:
            answer: str = call.answer(lambda: note("model", "the end"))
        return answer

    with emitter.start_run(agent_id="agent") as first:
        agent(first)
    called.clear()
    recording = recording_of(emitter, first, strict=True)
    with emitter.start_run(agent_id="agent", recording=recording) as second:
        assert agent(second) == "the end"
    assert (recording.finish().is_clean, called) == (True, [])

    recording = recording_of(emitter, first)  # a changed prompt is not answered with the call inside the tool
    with pytest.raises(Ambiguous), emitter.start_run(agent_id="agent", recording=recording) as third:
        agent(third, "v2")


def test_a_changed_prompt_is_not_answered_by_a_call_inside_a_tool_of_a_run_without_parents() -> None:
    at = datetime(2026, 1, 31, tzinfo=UTC)

    def llm(number: int, prompt: str) -> LlmCalled:
        texts = {"system_prompt": "", "user_prompt": prompt, "raw_response": f"to {prompt}"}
        return LlmCalled(id=f"llm {number}", timestamp=at, model="m", **texts)

    events = [
        ToolRequested(id="request", timestamp=at, tool_name="research", tool_args={}),
        llm(1, "inside"),
        ToolSucceeded(id="answer", timestamp=at, tool_name="research", result=1, parent_event_id="request"),
        llm(2, "after"),
    ]
    recording = Recording(events)
    recording.tool("research", {})
    with pytest.raises(Ambiguous):
        recording.llm(model="m", user_prompt="after, changed")
    assert [unit.seq for unit in recording.report().unserved] == [3]


def test_tools_that_run_at_the_same_time_are_not_inside_each_other() -> None:
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="agent")
    first, second = run.tool_requested("a"), run.tool_requested("b")
    run.tool_succeeded("a", 1, parent=first)
    run.tool_succeeded("b", 2, parent=second)
    recording = recording_of(emitter, run, strict=True)
    recording.tool("a")

    assert [unit.name for unit in recording.report().unserved] == ["b"]


def test_a_child_run_has_a_recording_of_its_own_or_makes_no_call(emitter: RecordingEmitter) -> None:
    def parent(run: Run) -> int:
        with run.child(agent_id="adder"):
            return add(1, 2)

    first = emitter.start_run(agent_id="agent")
    parent(first)
    child_id = emitter.run_ids[1]
    called.clear()
    recording = recording_of(emitter, first)
    second = emitter.start_run(agent_id="agent", recording=recording)
    with pytest.raises(Divergence, match=r"child run of the agent 'adder', and the recording has no child runs"):
        parent(second)
    with pytest.raises(Divergence, match="adder"):
        recording.finish()

    recording = recording_of(emitter, first)
    recording.children["adder"] = Recording(emitter.events(child_id), run_id=child_id)
    assert parent(emitter.start_run(agent_id="agent", recording=recording)) == 3
    assert (called, recording.children["adder"].finish().is_clean) == ([], True)
    assert emitter.events(emitter.run_ids[-1])[0].further_fields["replay_of"] == child_id


def test_a_recorded_failure_is_an_instance_of_the_recorded_class_if_that_is_one_of_python(
    emitter: RecordingEmitter,
) -> None:
    class OwnError(Exception):
        pass

    errors: list[Exception] = [
        KeyError("x"),
        OSError(2, "no file"),
        OwnError("x"),
        UnicodeDecodeError("a", b"", 0, 1, "x"),
    ]
    first = emitter.start_run(agent_id="agent")
    for error in errors:
        with pytest.raises(type(error)), first.tool("t"):
            raise error
    recording = recording_of(emitter, first)

    for error in errors:
        with pytest.raises(RecordedFailure) as raised:
            recording.tool("t")
        assert isinstance(raised.value, RecordedFailure if isinstance(error, OwnError) else type(error))
        assert str(raised.value) == str(error)


def _work_elsewhere() -> str:
    try:
        return str(add(1, 2))
    except Divergence as error:
        return str(error)


def test_a_copy_of_a_recording_is_the_recording_and_another_process_makes_no_call(emitter: RecordingEmitter) -> None:
    recording = Recording([])
    run = emitter.start_run(agent_id="agent", recording=recording)

    assert copy.deepcopy({"state": recording})["state"] is recording
    assert pickle.loads(pickle.dumps(recording)) is recording
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert "continues in another process" in pool.submit(run.wrap(_work_elsewhere)).result()
