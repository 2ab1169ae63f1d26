"""A call of a model as a context manager: `llm_called` with the answer, or `llm_failed` with the error."""

import asyncio
import json
from typing import Any

import pytest

from agent_runs import LlmCalled, LlmFailed, Run
from agent_runs.testing import RecordingEmitter


def test_a_call_is_recorded_with_its_answer_and_duration(emitter: RecordingEmitter, run: Run) -> None:
    first = run.input("message_from_user")
    with run.llm("m", [{"role": "user"}], "You book.", params={"temperature": 0}) as call:
        call.raw_response = {"tool": "search"}
        call.extra["usage"] = {"output_tokens": 3}

    _, called = emitter.events()
    assert isinstance(called, LlmCalled)
    assert (called.model, called.system_prompt, called.parent_event_id) == ("m", "You book.", first)
    assert (called.user_prompt, called.raw_response) == ('[{"role":"user"}]', '{"tool":"search"}')
    assert called.further_fields.pop("duration_ms") >= 0
    assert called.further_fields == {"params": {"temperature": 0}, "usage": {"output_tokens": 3}}


@pytest.mark.parametrize("error", [TimeoutError("no answer in 30 s"), KeyboardInterrupt()], ids=repr)
def test_a_call_with_an_exception_has_failed_and_the_exception_propagates(
    emitter: RecordingEmitter, run: Run, error: BaseException
) -> None:
    with pytest.raises(type(error)) as caught, run.llm("m", "hi"):
        raise error

    assert caught.value is error
    (failed,) = emitter.events()
    assert isinstance(failed, LlmFailed)
    assert (failed.model, failed.system_prompt, failed.user_prompt) == ("m", "", "hi")
    assert failed.error.startswith(type(error).__name__)
    assert failed.further_fields["error_type"] == type(error).__name__
    assert failed.further_fields["duration_ms"] >= 0


def test_a_call_may_fail_without_an_exception(emitter: RecordingEmitter, run: Run) -> None:
    with run.llm("m", "hi") as call:
        call.raw_response = "half an ans"
        call.error = "cut off"

    (failed,) = emitter.events()
    assert isinstance(failed, LlmFailed)
    assert (failed.error, "error_type" in failed.further_fields) == ("cut off", False)


def test_the_parent_is_the_event_before_the_block(emitter: RecordingEmitter, run: Run) -> None:
    before = run.input("message_from_user")
    with run.llm("m", "hi"):
        run.context_assembled("in between")
    with run.llm("m", "hi", parent=before):
        run.context_assembled("in between")

    assert [event.parent_event_id for event in emitter.events() if event.type == "llm_called"] == [before, before]


def test_the_prompts_are_those_at_the_start_of_the_block(emitter: RecordingEmitter, run: Run) -> None:
    messages = [{"role": "user"}]
    with run.llm("m", messages) as call:
        messages.append({"role": "assistant"})
        call.raw_response = "a"

    (called,) = emitter.events()
    assert isinstance(called, LlmCalled)
    assert json.loads(called.user_prompt) == [{"role": "user"}]


async def test_async_with_does_the_same(emitter: RecordingEmitter, run: Run) -> None:
    async def ask(number: int) -> None:
        async with run.llm("m", number) as call:
            await asyncio.sleep(0)
            if number == 2:
                raise LookupError
            call.raw_response = number

    await asyncio.gather(*map(ask, range(3)), return_exceptions=True)

    assert sorted((event.type, getattr(event, "user_prompt", "")) for event in emitter.events()) == [
        ("llm_called", "0"),
        ("llm_called", "1"),
        ("llm_failed", "2"),
    ]


def test_a_duration_that_the_agent_gives_takes_precedence(emitter: RecordingEmitter, run: Run) -> None:
    with run.llm("m", "hi", duration_ms=5):
        pass

    assert emitter.events()[0].further_fields == {"duration_ms": 5}


def test_a_misused_call_is_still_a_context_manager(emitter: RecordingEmitter, run: Run) -> None:
    wrong: Any = run
    with wrong.llm() as call:
        call.raw_response = "r"
    with run.llm(5, "hi") as call:  # type: ignore[arg-type]
        call.raw_response = "r"

    assert emitter.stats().dropped == {"invalid": 2}
    assert emitter.types() == ["events_dropped", "events_dropped"]
