"""`Recording` and agents that change values, cancel calls, run in parallel, or ask for what JSON cannot express."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest

from agent_runs.replay import Divergence, RecordedFailure, Recording, ToolRule
from agent_runs.replay.no_recording import IN_ANOTHER_PROCESS, NoRecording
from agent_runs.testing import RecordingEmitter

MEGABYTES_10 = "word " * 2_000_000


def recording_of(*calls: tuple[str, Any, Any], **options: Any) -> Recording:
    """The recording of a run with these calls of tools: name, arguments, result."""
    emitter = RecordingEmitter()
    with emitter.start_run(agent_id="agent") as run:
        for name, arguments, result in calls:
            with run.tool(name, arguments) as call:
                call.result = result
    return Recording(emitter.events(run.id), **options)


async def test_fifty_equal_calls_of_tasks_or_threads_get_one_answer_each() -> None:
    calls = [("t", {"q": 1}, number) for number in range(50)]
    of_tasks = recording_of(*calls)
    answers = await asyncio.gather(*(of_tasks.tool_async("t", {"q": 1}) for _ in calls))
    of_threads, found = recording_of(*calls), list[int]()
    threads = [Thread(target=lambda: found.append(of_threads.tool("t", {"q": 1}))) for _ in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == sorted(found) == list(range(50))
    assert of_tasks.finish().is_clean
    assert of_threads.finish().is_clean
    with pytest.raises(Divergence, match="makes this call 50 times; the agent has now made it 51 times"):
        of_tasks.tool("t", {"q": 1})


def test_an_answer_that_the_agent_changes_is_served_unchanged_to_others() -> None:
    emitter = RecordingEmitter()
    with emitter.start_run(agent_id="agent") as run, run.tool("t", {}) as call:
        call.result = {"items": [1]}
    events = emitter.events(run.id)
    first = Recording(events)
    first.tool("t", {})["items"].append(2)

    assert Recording(events).tool("t", {}) == {"items": [1]}
    assert first.report().served[0].answer.value == {"items": [1]}  # type: ignore[union-attr]  # it was served


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("result", [deep(500), "\ud800", 10**4000, [10**4000], ["\ud800"], {"a": None}])
def test_every_json_value_can_be_an_answer(result: Any) -> None:
    assert recording_of(("t", {}, result)).tool("t", {}) == result


def test_a_report_has_the_arguments_of_the_time_of_the_call() -> None:
    recording = recording_of(tools={"t": ToolRule(on_miss="live")})
    arguments = {"x": [1]}
    recording.tool("t", arguments, call=lambda: "called")
    arguments["x"].append(2)

    assert recording.report().live[0].content == {"x": [1]}


async def test_a_real_call_that_fails_or_is_cancelled_is_reported_as_live() -> None:
    recording = recording_of(tools={"t": ToolRule(on_miss="live")})

    def fails() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        recording.tool("t", {"n": 1}, call=fails)
    waiting = asyncio.create_task(recording.tool_async("t", {"n": 2}, call=asyncio.Event().wait))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [request.content for request in recording.finish().live] == [{"n": 1}, {"n": 2}]


class Opaque:
    pass


def test_the_remedy_for_an_object_as_an_argument_is_a_key_function() -> None:
    recording = recording_of(("t", {"o": Opaque(), "n": 1}, "result"))
    with pytest.raises(Divergence, match=re.escape("ToolRule(key=function)")):
        recording.tool("t", {"o": Opaque(), "n": 1})

    rule = ToolRule(key=lambda arguments: arguments["n"])
    keyed = recording_of(("t", {"o": Opaque(), "n": 1}, "result"), tools={"t": rule})
    assert keyed.tool("t", {"o": Opaque(), "n": 1}) == "result"


def test_the_first_difference_of_prompts_of_ten_megabytes_is_found() -> None:
    emitter = RecordingEmitter()
    with emitter.start_run(agent_id="agent") as run:
        run.llm_called(model="m", system_prompt="", user_prompt=MEGABYTES_10, raw_response="answer")
    recording = Recording(emitter.events(run.id))
    asked = f"{MEGABYTES_10[:7_000_000]}X{MEGABYTES_10[7_000_000:]}"

    assert recording.llm(model="m", user_prompt=asked) == "answer"
    (drift,) = recording.report().drifted
    assert drift.difference.endswith("from character 7000000 on")
    assert len(str(recording.report())) < 1000


@pytest.mark.parametrize(("left", "right"), [("", "b" * 70), ("a" * 70, "a" * 71), ("b" * 70, "a" * 70)])
def test_the_first_difference_is_at_the_end_of_the_common_begin(left: str, right: str) -> None:
    at = next((at for at, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), len(left))
    emitter = RecordingEmitter()
    with emitter.start_run(agent_id="agent") as run:
        run.llm_called(model="m", system_prompt="", user_prompt=left, raw_response="answer")
    recording = Recording(emitter.events(run.id))
    recording.llm(model="m", user_prompt=right)

    assert recording.report().drifted[0].difference.endswith(f"from character {at} on")


@pytest.mark.parametrize("use", [lambda it: it.report(), lambda it: it.finish(), lambda it: it.next_input()])
def test_what_another_process_lacks_is_named(use: Callable[[Any], Any]) -> None:
    with pytest.raises(AttributeError, match="continues in another process, which does not have the recording"):
        use(NoRecording(IN_ANOTHER_PROCESS))


def test_an_event_that_a_topic_has_twice_counts_once() -> None:
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="agent")
    for number in (1, 2):
        with run.tool("clock", {}) as call:
            call.result = number
    recording = Recording([event for event in emitter.events() for _ in range(2)])

    assert [recording.tool("clock", {}) for _ in range(2)] == [1, 2]
    with pytest.raises(Divergence, match="makes this call twice; the agent has now made it 3 times"):
        recording.tool("clock", {})


def test_a_recorded_exception_group_is_a_recorded_failure() -> None:
    emitter = RecordingEmitter()
    with suppress(ExceptionGroup), emitter.start_run(agent_id="agent").tool("t", {}):
        raise ExceptionGroup("two failed", [ValueError("a"), ValueError("b")])

    with pytest.raises(RecordedFailure, match="two failed"):
        Recording(emitter.events()).tool("t", {})
