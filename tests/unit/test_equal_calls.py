"""A call that a run makes several times is answered with the answer that belongs to its place, or refused."""

import asyncio
from collections import Counter
from random import Random
from threading import Thread
from typing import Any

import pytest

from agent_runs.emitter import Run
from agent_runs.replay import Ambiguous, Divergence, NotReplayable, Recording, ToolRule
from agent_runs.testing import RecordingEmitter
from tests.support.replay.random_agents import random_agent, record, replay


async def part(run: Run, name: str) -> None:
    """Two model calls of a parallel part, each with the same tool call after it."""
    for step in (1, 2):
        run.llm_called(model="m", system_prompt="", user_prompt=f"{name} {step}", raw_response=f"to {name} {step}")
        with run.tool("dice", {}) as call:
            await asyncio.sleep(0)
            call.result = f"{name} {step}"


async def recording_of_parts(**options: Any) -> Recording:
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="agent")
    await asyncio.gather(part(run, "a"), part(run, "b"))
    return Recording(emitter.events(), **options)


def ask(recording: Recording, prompt: str, **options: Any) -> str:
    answer: str = recording.llm(model=options.pop("model", "m"), user_prompt=prompt, **options)
    return answer


async def test_each_parallel_part_gets_its_own_answers_in_whatever_order_the_parts_run() -> None:
    recording = await recording_of_parts()

    async def replayed(name: str) -> list[str]:
        found = []
        for step in (1, 2):
            ask(recording, f"{name} {step}")
            found.append(recording.tool("dice", {}))
        return found

    assert tuple(await asyncio.gather(replayed("b"), replayed("a"))) == (["b 1", "b 2"], ["a 1", "a 2"])


async def test_a_call_that_may_belong_to_several_parts_is_refused() -> None:
    recording = await recording_of_parts()

    with pytest.raises(Ambiguous, match=r"in several parallel parts, with different answers, .*:\n- event 2, tool"):
        recording.tool("dice", {})
    assert not recording.report().served


async def test_a_call_that_may_belong_to_several_parts_follows_the_policy_of_its_tool() -> None:
    recording = await recording_of_parts(tools={"dice": ToolRule(on_miss=lambda _: "6")})

    assert recording.tool("dice", {}) == "6"
    assert len(recording.report().live) == 1


async def test_a_dropped_call_before_it_leaves_a_call_in_its_part() -> None:
    recording = await recording_of_parts()

    ask(recording, "b 1")
    assert recording.tool("dice", {}) == "b 1"
    assert recording.tool("dice", {}) == "b 2"  # without the model call before it


def test_equal_calls_in_threads_without_a_context_are_answered_in_their_order() -> None:
    emitter = RecordingEmitter()
    with emitter.start_run(agent_id="agent") as run:
        for number in range(5):
            with run.tool("clock", {}) as call:
                call.result = number
    recording = Recording(emitter.events())

    found: list[int] = []
    for _ in range(5):
        thread = Thread(target=lambda: found.append(recording.tool("clock", {})))
        thread.start()
        thread.join()
    assert found == list(range(5))


async def test_a_model_call_with_a_lane_gets_the_answer_of_its_lane_even_if_the_prompts_are_equal() -> None:
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="agent")
    for lane in ("a", "b"):
        run.llm_called(model="m", system_prompt="", user_prompt="think", raw_response=f"to {lane}", lane=lane)
    recording = Recording(emitter.events(), strict=True)

    assert [ask(recording, "think", lane=lane) for lane in ("b", "a")] == ["to b", "to a"]


def test_a_changed_prompt_does_not_get_the_answer_of_another_model_that_the_run_calls() -> None:
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="agent")
    run.llm_called(model="small", system_prompt="", user_prompt="route", raw_response="route 7")
    run.llm_called(model="large", system_prompt="", user_prompt="answer", raw_response="the answer")

    with pytest.raises(Divergence, match=r"the next recorded one is of another model \(event 1, model 'small'\)"):
        ask(Recording(emitter.events()), "answer briefly", model="large")
    renamed = Recording(emitter.events())
    assert ask(renamed, "answer briefly", model="medium") == "route 7"  # a model that the run does not call
    assert renamed.report().drifted[0].difference == "recorded the model 'small', asked 'medium'"


@pytest.mark.parametrize("answer", [float("nan"), {"text": "yes", "client": object()}])
def test_the_answer_of_a_model_that_json_cannot_express_is_not_served(answer: object) -> None:
    emitter = RecordingEmitter()
    with emitter.start_run(agent_id="agent") as run, run.llm("m", "ask") as call:
        call.answer(lambda: answer)

    with pytest.raises(NotReplayable):
        ask(Recording(emitter.events()), "ask")


def test_a_masked_error_is_not_raised_as_the_recorded_one() -> None:
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="agent")
    with run.tool("t", {}) as call:
        call.error = "[masked: the mask raised ValueError]"

    with pytest.raises(NotReplayable):
        Recording(emitter.events(run.id)).tool("t", {})


async def test_after_a_refused_call_a_changed_prompt_is_answered_only_when_the_place_is_known_again() -> None:
    recording = await recording_of_parts()

    async def changed() -> list[str]:
        with pytest.raises(Ambiguous):
            ask(recording, "v2 b 1")
        await asyncio.sleep(0)  # until the other part has ended, so that one recorded part is left
        with pytest.raises(Ambiguous):
            ask(recording, "v2 b 2")
        return [ask(recording, "b 1"), ask(recording, "v2 b 2")]

    async def unchanged() -> None:
        for step in (1, 2):
            ask(recording, f"a {step}")
            recording.tool("dice", {})

    answers, _ = await asyncio.gather(changed(), unchanged())
    assert answers == ["to b 1", "to b 2"]


def test_a_call_is_refused_that_the_run_makes_before_and_after_the_place_of_a_dropped_one() -> None:
    emitter = RecordingEmitter()
    run = emitter.start_run(agent_id="agent")
    for step in (1, 2):
        for name in ("look", "dice"):
            with run.tool(name, {"step": step} if name == "look" else {}) as call:
                call.result = f"{name} {step}"
        run.llm_called(model="m", system_prompt="", user_prompt=f"go {step}", raw_response="")
    recording = Recording(emitter.events())

    recording.tool("look", {"step": 1})
    ask(recording, "go 1")  # without the dice before it, and without the look after it
    with pytest.raises(Ambiguous, match=r"- event 3, tool 'dice'\n- event 8, tool 'dice'"):
        recording.tool("dice", {})
    recording.tool("look", {"step": 2})
    assert recording.tool("dice", {}) == "dice 2"


@pytest.mark.parametrize("version", ["", "v2 "])
def test_random_agents_get_no_answer_of_another_call_and_every_answer_if_they_are_unchanged(version: str) -> None:
    counts = Counter[str]()
    for seed in range(30):
        agent = random_agent(Random(seed))
        counts += replay(record(agent, seed), agent, seed + 1000, version=version)

    assert counts["wrong"] == 0
    assert counts["right"] > 300
    assert not version or counts["refused"]
    assert version or not counts["refused"]
