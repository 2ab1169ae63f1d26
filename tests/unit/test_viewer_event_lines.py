"""The line of an event in the viewer."""

import json
from datetime import UTC, datetime

import pytest

from agent_runs import decode_event
from agent_runs.events import Event
from agent_runs.reader import StoredEvent
from tests.support.messages import event
from viewer.event_lines import line_of

CALL = {"id": "c", "type": "function", "function": {"name": "find", "arguments": '{"q": "x"}'}}
PROMPTS = {"model": "m", "system_prompt": "s", "user_prompt": "u"}


def summary(message: bytes) -> str:
    decoded = decode_event(message)
    assert isinstance(decoded, Event)
    stored = StoredEvent(seq=0, created_at=datetime(2026, 1, 1, tzinfo=UTC), partition=0, offset=0, event=decoded)
    return line_of(stored).summary


@pytest.mark.parametrize(
    ("response", "line"),
    [
        ({"role": "assistant", "content": "Two\nwords"}, "Two words"),
        ({"role": "assistant", "content": None, "tool_calls": [CALL]}, '→ find { "q": "x" }'),
        ({"choices": [{"message": {"role": "assistant", "content": "Yes."}}]}, "Yes."),
        ({"choices": [7]}, 'm: {"choices": [7]}'),
        ({"role": "assistant", "content": ""}, 'm: {"role": "assistant", "content": ""}'),
    ],
)
def test_the_answer_of_a_chat_is_its_words_and_the_tools_that_it_calls(response: object, line: str) -> None:
    assert summary(event("a", "llm_called", **PROMPTS, raw_response=json.dumps(response))) == line


def test_another_answer_has_the_model_before_it() -> None:
    assert summary(event("a", "llm_called", **PROMPTS, raw_response="Hello.")) == "m: Hello."


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"text": "Two\nwords"}, "message_from_user: Two words"),
        ({"text": ""}, 'message_from_user: {"text":""}'),
        ({"text": "a", "to": "b"}, 'message_from_user: {"text":"a","to":"b"}'),
        ({"text": 5}, 'message_from_user: {"text":5}'),
    ],
)
def test_an_input_that_is_a_text_is_that_text(data: object, line: str) -> None:
    assert summary(event("a", data=data)) == line
