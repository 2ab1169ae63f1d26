"""`Recording`: what answers a call, and what is said about a call that nothing answers."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from agent_runs.replay import (
    Ambiguous,
    Divergence,
    NotReplayable,
    NthLlmCall,
    RecordedFailure,
    Recording,
    RecordingHasHoles,
    ToolRule,
    Unserved,
)
from agent_runs.run_file import RunFile
from agent_runs.testing import RecordingEmitter
from tests.support.replay.run_files import write_run


class Recorded:
    """A run that a test records, and its recording."""

    def __init__(self) -> None:
        self.emitter = RecordingEmitter()
        self.run = self.emitter.start_run(agent_id="agent")

    def llm(self, prompt: Any, answer: Any, **further: Any) -> str:
        return self.run.llm_called(model="m", system_prompt="s", user_prompt=prompt, raw_response=answer, **further)

    def tool(self, name: str, arguments: Any, result: Any) -> str:
        with self.run.tool(name, arguments) as call:
            call.result = result
        return self.emitter.events()[-1].id

    def recording(self, **options: Any) -> Recording:
        return Recording(self.emitter.events(), run_id=self.run.id, **options)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def ask(recording: Recording, prompt: Any, **options: Any) -> Any:
    return recording.llm(model="m", system_prompt="s", user_prompt=prompt, **options)


def test_calls_are_answered_by_name_and_content_and_equal_ones_in_their_order(recorded: Recorded) -> None:
    recorded.llm("a", "to a")
    for result in (1, 2):
        recorded.tool("clock", {}, result)
    recorded.tool("search", {"q": "x"}, ["hit"])
    recording = recorded.recording(strict=True)

    assert recording.tool("search", {"q": "x"}) == ["hit"]
    assert [recording.tool("clock", {}), recording.tool("clock", {})] == [1, 2]
    assert ask(recording, "a") == "to a"
    assert recording.finish().is_clean


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1.0}),
        ({"a": 1e2}, {"a": 100}),
        ({"a": -0.0}, {"a": 0}),
        ({"a": 1, "b": "é\ud800\u2028"}, {"a": 1.0, "b": "é\ud800\u2028"}),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        ({"a": "1.50"}, {"a": "1.50"}),
        (None, None),
    ],
)
def test_arguments_are_compared_by_value(recorded: Recorded, stored: Any, asked: Any) -> None:
    recorded.tool("t", stored, "result")

    assert recorded.recording(strict=True).tool("t", asked) == "result"


@pytest.mark.parametrize(
    ("stored", "asked"), [({"a": "1.5"}, {"a": "1.50"}), ({"a": 1}, {"a": True}), ({"a": 1}, {"a": "1"}), ({}, None)]
)
def test_other_arguments_are_another_call(recorded: Recorded, stored: Any, asked: Any) -> None:
    recorded.tool("t", stored, "result")

    with pytest.raises(Divergence):
        recorded.recording().tool("t", asked)


def test_a_prompt_that_is_json_is_compared_as_json(recorded: Recorded) -> None:
    recorded.llm([{"role": "user", "content": "hi"}], "answer")

    recording = recorded.recording(strict=True)
    assert ask(recording, '[{"content": "hi",  "role": "user"}]') == "answer"


def test_the_answer_of_a_request_is_the_one_that_names_it_else_the_next_one_of_the_tool(recorded: Recorded) -> None:
    first = recorded.run.tool_requested("t", {"n": 1})
    second = recorded.run.tool_requested("t", {"n": 2})
    recorded.run.tool_succeeded("t", "second", parent=second)
    recorded.run.tool_succeeded("t", "first", parent="unknown")
    recording = recorded.recording()

    assert (recording.tool("t", {"n": 1}), recording.tool("t", {"n": 2})) == ("first", "second")
    assert first != second


def test_a_request_without_answer_that_the_run_repeated_is_left_out(recorded: Recorded) -> None:
    recorded.run.tool_requested("charge", {"amount": 1})  # the process was killed here
    recorded.tool("charge", {"amount": 1}, "receipt")
    recording = recorded.recording(strict=True)

    assert recording.tool("charge", {"amount": 1}) == "receipt"
    assert recording.finish().is_clean


def test_a_recorded_failure_is_raised(recorded: Recorded) -> None:
    recorded.run.llm_failed(model="m", system_prompt="s", user_prompt="a", error="overloaded")
    recorded.run.tool_requested("t", {})
    recorded.run.tool_failed("t", "no such user")
    recording = recorded.recording()

    with pytest.raises(RecordedFailure, match="overloaded"):
        ask(recording, "a")
    with pytest.raises(RecordedFailure, match="no such user"):
        recording.tool("t", {})
    assert recording.finish().is_clean


def test_a_missing_call_is_described_with_the_closest_one_and_the_remedy(recorded: Recorded) -> None:
    recorded.llm("a", "to a")
    recorded.tool("search", {"city": "Rome", "id": 1}, "hit")
    recording = recorded.recording()
    ask(recording, "a")

    with pytest.raises(Divergence) as raised:
        recording.tool("search", {"city": "Rome", "id": 2})
    assert str(raised.value).splitlines() == [
        """The agent asked for the tool 'search' with {"city":"Rome","id":2}. """
        "No recorded call of this tool has the same arguments.",
        "Closest recorded call: event 2, tool 'search', not used yet.",
        "First difference: at id: recorded 1, asked 2.",
        "Answered from the recording so far: 1 of 1 model calls, 0 of 1 tool calls, the last one event 1, model 'm'.",
        "To go on: one of these",
        "- `Recording(…, tools={'search': ToolRule(ignore=('id',))})`: the recorded answer, although these arguments "
        "differ.",
        "- `Recording(…, tools={'search': ToolRule(on_miss='error')})`: the agent sees a failed call.",
        "- `Recording(…, tools={'search': ToolRule(on_miss=function)})`: the agent gets what `function(request)` "
        "returns.",
        "- `Recording(…, tools={'search': ToolRule(on_miss='live')})`: the real tool is called, with its side effects.",
    ]


def test_a_call_beyond_the_recorded_ones_is_described_as_one_more(recorded: Recorded) -> None:
    for result in (1, 2):
        recorded.tool("clock", {}, result)
    recording = recorded.recording()
    for _ in range(2):
        recording.tool("clock", {})

    with pytest.raises(Divergence, match=r"makes this call twice; the agent has now made it 3 times"):
        recording.tool("clock", {})
    with pytest.raises(Divergence, match=r"never calls a tool of this name. It calls: 'clock'\."):
        recording.tool("other", {})


def test_a_call_whose_answer_was_never_recorded_is_described_so(recorded: Recorded) -> None:
    recorded.run.tool_requested("ask_human", {"question": "ok?"})

    with pytest.raises(Divergence, match=r"but no answer: it ended before the answer, or waits for it"):
        recorded.recording().tool("ask_human", {"question": "ok?"})


def test_a_changed_prompt_is_answered_by_the_next_call_of_the_task_and_reported(recorded: Recorded) -> None:
    recorded.llm("plan for Ada", "plan")
    recorded.tool("t", {}, 1)
    recorded.llm("end for Ada", "end")
    recording = recorded.recording()

    assert (ask(recording, "plan for Bob"), recording.tool("t", {}), ask(recording, "end for Ada")) == (
        "plan",
        1,
        "end",
    )
    (drift,) = recording.finish().drifted
    assert (drift.unit.seq, drift.difference.startswith('at user_prompt: recorded "plan for Ada"')) == (1, True)


def test_a_strict_recording_answers_no_changed_prompt_and_requires_all_calls(recorded: Recorded) -> None:
    recorded.llm("a", "to a")
    recording = recorded.recording(strict=True)

    with pytest.raises(Unserved, match="event 1, model 'm'"):
        recording.finish()
    with pytest.raises(Divergence, match="First difference: at user_prompt: recorded"):
        ask(recording, "b")
    with pytest.raises(Divergence, match="First difference"):  # even if the agent has caught it
        recording.finish()


async def test_changed_prompts_of_parallel_tasks_are_refused_unless_they_name_their_lane() -> None:
    async def part(recorded: Recorded, name: str) -> None:
        recorded.llm(f"{name} v1", f"to {name}", lane=name)

    recorded = Recorded()
    recorded.llm("start", "go")
    await asyncio.gather(part(recorded, "a"), part(recorded, "b"))

    recording = recorded.recording()
    ask(recording, "start")
    with pytest.raises(Ambiguous, match=r"- event 2, model 'm', user prompt 'a v1'\n- event 3, model 'm', user"):
        ask(recording, "b v2")
    assert [ask(recording, f"{name} v2", lane=name) for name in ("b", "a")] == ["to b", "to a"]


async def test_two_tasks_do_not_share_the_answers_of_a_run_that_had_one(recorded: Recorded) -> None:
    for prompt in ("start", "one", "two"):
        recorded.llm(prompt, f"to {prompt}")
    recording = recorded.recording()
    ask(recording, "start")

    async def part(prompt: str) -> Any:
        return ask(recording, prompt)

    answers = await asyncio.gather(part("x"), part("y"), return_exceptions=True)
    assert [answers[0], type(answers[1])] == ["to one", Ambiguous]


@pytest.mark.parametrize("at", ["seq", "id", "number"])
def test_from_until_on_the_model_is_called_and_tools_keep_their_policy(recorded: Recorded, at: str) -> None:
    event_id = recorded.llm("one", "first")
    recorded.tool("charge", {}, "receipt")
    recorded.llm("two", "second")
    until = {"seq": 1, "id": event_id, "number": NthLlmCall(1)}[at]
    recording = recorded.recording(until=until)

    assert ask(recording, "one", call=lambda: "live") == "first"
    assert ask(recording, "two", call=lambda: "live") == "live"
    assert ask(recording, "one", call=lambda: "live") == "live"
    with pytest.raises(Divergence):
        recording.tool("charge", {}, call=lambda: pytest.fail("the tool was called"))
    assert len(recording.report().live) == 2


@pytest.mark.parametrize("until", ["nothing", NthLlmCall(2), NthLlmCall(0), 2, -1])
def test_a_place_that_is_not_in_the_run_is_refused(recorded: Recorded, until: Any) -> None:
    recorded.llm("one", "first")

    with pytest.raises(ValueError, match=r"^until="):
        recorded.recording(until=until)


def test_the_policies_of_a_missing_tool_call(recorded: Recorded) -> None:
    rules = {
        "live": ToolRule(on_miss="live"),
        "error": ToolRule(on_miss="error"),
        "function": ToolRule(on_miss=lambda request: request.content["n"] + 1),
    }
    recording = recorded.recording(tools=rules)

    assert recording.tool("live", {}, call=lambda: "called") == "called"
    assert recording.tool("function", {"n": 1}) == 2
    with pytest.raises(RecordedFailure, match="no answer for this call of error"):
        recording.tool("error", {})
    with pytest.raises(Divergence, match=r"To go on: pass the real function"):
        recording.tool("live", {})
    with pytest.raises(Divergence):
        recording.tool("other", {})
    report = recording.report()
    assert [len(report.live), len(report.refused), len(report.divergences)] == [2, 1, 2]


def test_no_other_call_than_those_of_named_tools_can_be_live(recorded: Recorded) -> None:
    with pytest.raises(ValueError, match="'live' is for ToolRule"):
        recorded.recording(on_miss="live")


def test_ignored_arguments_and_a_key_function_decide_which_calls_are_equal(recorded: Recorded) -> None:
    recorded.tool("charge", {"amount": 5, "request_id": "x"}, "receipt")
    recorded.tool("find", {"name": "Ada"}, "found")
    rules = {"charge": ToolRule(ignore=("request_id",)), "find": ToolRule(key=lambda args: args["name"].lower())}
    recording = recorded.recording(tools=rules)

    assert recording.tool("charge", {"amount": 5, "request_id": "y"}) == "receipt"
    assert recording.tool("find", {"name": "ADA"}) == "found"


def test_a_renamed_tool_is_answered_by_its_calls_under_the_recorded_name(recorded: Recorded) -> None:
    recorded.tool("lookup", {"name": "ada", "at": 1}, "found ada")
    recorded.tool("lookup", {"name": "bob", "at": 2}, "found bob")
    rule = ToolRule(recorded_as="lookup", ignore=("at",))
    recording = recorded.recording(strict=True, tools={"find": rule})

    assert [recording.tool("find", {"name": name, "at": 9}) for name in ("bob", "ada")] == ["found bob", "found ada"]
    with pytest.raises(
        Divergence, match=r"the tool 'find' \(recorded as 'lookup'\) with .*\. The recorded run makes this"
    ):
        recording.tool("find", {"name": "ada", "at": 9})
    assert "although these arguments differ" not in recording.report().divergences[0]  # `at` is ignored already
    with pytest.raises(Divergence) as raised:
        recording.tool("find", {"name": "eve", "at": 9})
    assert "First difference: at name: recorded" in str(raised.value)
    assert "ToolRule(recorded_as='lookup', on_miss='error')" in str(raised.value)


def test_a_tool_that_may_have_been_renamed_is_described_with_its_recorded_name(recorded: Recorded) -> None:
    recorded.tool("lookup", {"name": "ada"}, "found ada")
    recorded.tool("book", {"slot": 1}, "booked")

    with pytest.raises(Divergence) as raised:
        recorded.recording().tool("find", {"name": "ada"})
    assert "ToolRule(recorded_as='lookup')})`: the recorded answer, if 'lookup' was renamed." in str(raised.value)
    with pytest.raises(Divergence) as raised:
        recorded.recording().tool("cancel", {"id": 1})
    assert "recorded_as" not in str(raised.value)


def test_missing_events_are_refused_if_strict_and_warned_about_otherwise(recorded: Recorded) -> None:
    recorded.run.events_dropped(3)

    with pytest.raises(RecordingHasHoles, match="the recorded run lacks 3 events"):
        recorded.recording(strict=True)
    with pytest.warns(UserWarning, match="3 events"):
        recording = recorded.recording()
    assert recording.report().missing_events == 3


@pytest.mark.parametrize("result", [object(), {"deep": [object()]}, "[masked: the mask raised ValueError]"])
def test_an_answer_that_is_not_what_the_tool_returned_is_not_served(recorded: Recorded, result: Any) -> None:
    recorded.tool("t", {}, result)

    with pytest.raises(NotReplayable, match="a mask has hidden a part of it, or it had an object that JSON"):
        recorded.recording().tool("t", {})


def test_a_call_whose_answer_is_masked_follows_the_policy_of_its_tool(recorded: Recorded) -> None:
    recorded.tool("t", {}, "[masked: the mask raised ValueError]")
    recording = recorded.recording(strict=True, tools={"t": ToolRule(on_miss="live")})

    assert recording.tool("t", {}, call=lambda: "called") == "called"
    report = recording.finish()
    assert ([request.name for request in report.live], report.unserved) == (["t"], [])


def test_the_remedy_fits_the_recording(recorded: Recorded) -> None:
    recorded.llm("a", "to a")
    # A changed prompt, while a recorded answer is left.
    with pytest.raises(Divergence) as raised:
        ask(recorded.recording(strict=True), "b")
    assert "Without `strict=True`" in str(raised.value)
    assert "until=" not in str(raised.value)

    for strict in (True, False):
        recording = recorded.recording(strict=strict)
        ask(recording, "a")
        # A call beyond the recorded ones.
        with pytest.raises(Divergence) as raised:
            ask(recording, "a")
        assert "strict" not in str(raised.value)
        assert "until=NthLlmCall(1)" in str(raised.value)


def test_a_long_text_is_shown_around_its_first_difference(recorded: Recorded) -> None:
    recorded.llm("word " * 50 + "Ada" + " word" * 50, "answer")
    recording = recorded.recording()
    ask(recording, "word " * 50 + "Bob" + " word" * 50)

    (drift,) = recording.report().drifted
    words = "word word word word word word "
    recorded_text, asked = (f'"…{words}{name} {words[:-4]}…"' for name in ("Ada", "Bob"))
    assert drift.difference == f"at user_prompt: recorded {recorded_text}, asked {asked}, from character 250 on"


async def test_functions_are_replaced_and_coroutine_functions_awaited(recorded: Recorded) -> None:
    recorded.tool("add", {"a": 1, "b": 2}, 3)
    recorded.tool("fetch", {"url": "u"}, "page")
    recording = recorded.recording(tools={"fetch": ToolRule(on_miss="live")})

    def add(a: int, b: int) -> int:
        raise AssertionError((a, b))

    async def fetch(url: str) -> str:
        return f"live {url}"

    replayed = recording.replayed_tool(fetch)
    assert recording.replayed_tool(add)(1, b=2) == 3
    assert [await replayed("u"), await replayed("v")] == ["page", "live v"]
    assert await recording.tool_async("fetch", {"url": "w"}, call=lambda: fetch("w")) == "live w"


async def test_a_model_call_of_asyncio_is_answered_and_after_until_awaited(recorded: Recorded) -> None:
    recorded.llm("a", "to a")
    recorded.llm("b", "to b")
    recording = recorded.recording(until=NthLlmCall(1))

    async def call_model() -> str:
        return "live"

    prompts: Any = {"model": "m", "system_prompt": "s", "call": call_model}
    answers = [await recording.llm_async(user_prompt=prompt, **prompts) for prompt in ("a", "b")]
    assert answers == ["to a", "live"]


def test_inputs_come_in_order_and_the_run_of_a_replay_names_the_recorded_one(recorded: Recorded) -> None:
    for text in ("hello", "bye"):
        recorded.run.input("message_from_user", {"text": text})
    recording = recorded.recording()
    found = [recording.next_input() for _ in range(3)]

    assert [None if event is None else event.data["text"] for event in found] == ["hello", "bye", None]
    replay = recorded.emitter.start_run(agent_id="agent", **recording.run_fields())
    started = recorded.emitter.events(replay.id)[0]
    assert started.further_fields == {"replay_of": recorded.run.id}
    assert getattr(started, "labels", None) == {"replay_of": recorded.run.id}


async def test_a_recording_is_loaded_from_a_run_file(recorded: Recorded, tmp_path: Path) -> None:
    recorded.llm("a", "to a")
    path = write_run(tmp_path / "run.jsonl", recorded.run.id, recorded.emitter.events())
    recording = await Recording.load(RunFile(path), recorded.run.id, strict=True)

    assert ask(recording, "a") == "to a"
    assert recording.finish().is_clean


def test_a_report_is_readable(recorded: Recorded) -> None:
    recorded.llm("a", "to a")
    recorded.tool("t", {}, 1)
    recording = recorded.recording()
    ask(recording, "b")

    lines = str(recording.report()).splitlines()
    first = "1 of 2 recorded calls answered from the recording, 1 of them although the prompt differs"
    assert lines[0] == f"{first}; the agent did not make 1 recorded call"
    assert re.match(r"prompt differs: event 1, model 'm': at user_prompt: ", lines[1])
    assert lines[2] == "not made: event 2, tool 't'"


def test_a_report_counts_the_calls_that_were_not_answered_from_the_recording(recorded: Recorded) -> None:
    recorded.tool("t", {}, 1)
    assert str(recorded.recording().report()).startswith("0 of 1 recorded call answered from the recording; the agent")
    recording = recorded.recording(
        on_miss="error", tools={"pay": ToolRule(on_miss="live"), "x": ToolRule(on_miss="raise")}
    )
    assert recording.tool("t", {}) == 1
    assert str(recording.report()) == (
        "1 of 1 recorded call answered from the recording; the agent made no other calls"
    )
    assert recording.tool("pay", {}, call=lambda: "paid") == "paid"
    with pytest.raises(RecordedFailure):
        recording.tool("u", {})
    with pytest.raises(Divergence):
        recording.tool("x", {})

    lines = str(recording.report()).splitlines()
    assert lines[0] == (
        "1 of 1 recorded call answered from the recording; 1 call answered live, not from the recording; "
        "1 call failed, because no answer is recorded; 1 call raised a divergence, because no recorded call fits"
    )
    assert [line.split(":")[0] for line in lines[1:4]] == ["answered live", "failed", "divergence"]


class Agent:
    """An agent written with the emitter, which is replayed by one argument."""

    def __init__(self, emitter: RecordingEmitter, recording: Recording | None = None) -> None:
        self.called: list[str] = []
        self.recording = recording
        self.run = emitter.start_run(agent_id="agent", **(recording.run_fields() if recording else {}))

    def work(self) -> None:
        with self.run.llm("m", "Ada?", "s", lane="a") as call:
            answer = call.answer(lambda: self.call("model"), self.recording)
        with self.run.tool("find", {"for": answer}) as tool:
            tool.answer(lambda: self.call("tool"), self.recording)

    async def work_async(self) -> None:
        async with self.run.llm("m", "Ada?", "s") as call:
            answer = await call.answer_async(lambda: self.call_async("model"), self.recording)
        async with self.run.tool("find", {"for": answer}) as tool:
            await tool.answer_async(lambda: self.call_async("tool"), self.recording)

    def call(self, name: str) -> str:
        self.called.append(name)
        return f"answer of the {name}"

    async def call_async(self, name: str) -> str:
        return self.call(name)


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_agent_that_uses_the_contexts_of_the_emitter_emits_the_same_events_in_a_replay(is_async: bool) -> None:
    async def run(agent: Agent) -> list[Any]:
        if is_async:
            await agent.work_async()
        else:
            agent.work()
        content = ("type", "tool_name", "tool_args", "result", "user_prompt", "raw_response")
        return [[getattr(event, name, None) for name in content] for event in emitter.events(agent.run.id)]

    emitter = RecordingEmitter()
    first = Agent(emitter)
    events = await run(first)
    recording = Recording(emitter.events(first.run.id), run_id=first.run.id, strict=True)
    second = Agent(emitter, recording)

    assert await run(second) == events
    assert (first.called, second.called) == (["model", "tool"], [])
    assert recording.finish().is_clean
