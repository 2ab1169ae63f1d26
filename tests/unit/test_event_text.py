"""What an event says, as one line."""

import json

import pytest

from agent_runs import decode_event
from agent_runs.events import Event
from agent_runs.reader.event_text import event_text
from tests.support.messages import event

PROMPTS = {"model": "m", "system_prompt": "s", "user_prompt": "u"}
CALL = {"type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}
OPENAI = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ANTHROPIC = {"role": "assistant", "content": [{"type": "text", "text": "I look."}, {"type": "tool_use", "name": "f"}]}
GEMINI = {"role": "model", "parts": [{"text": "Hello.\nYou?"}]}
RESPONSES = {"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}]}


def text_of_message(kind: str, **fields: object) -> str:
    decoded = decode_event(event("a", kind, **fields))
    assert isinstance(decoded, Event)
    return event_text(decoded)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (OPENAI, 'm: → find { "id": 7 }'),
        ({"choices": [{"index": 0, "message": OPENAI}]}, 'm: → find { "id": 7 }'),
        (ANTHROPIC, "m: I look. → f"),
        ({"candidates": [{"content": GEMINI}]}, "m: Hello. You?"),
        (RESPONSES, "m: Hi"),
        ({"role": "assistant", "content": ""}, 'm: {"role": "assistant", "content": ""}'),
        ({"choices": [1]}, 'm: {"choices": [1]}'),
        ("no JSON", 'm: "no JSON"'),
    ],
)
def test_the_answer_of_a_chat_is_its_words_and_the_tools_that_it_calls(answer: object, line: str) -> None:
    assert text_of_message("llm_called", raw_response=json.dumps(answer), **PROMPTS) == line


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
    assert text_of_message("input", data=data) == line


def test_an_answer_says_who_gave_it() -> None:
    def text(**fields: object) -> str:
        return text_of_message("tool_succeeded", tool_name="ask_human", result="yes", **fields)

    assert text(answered_by="Ada") == "ask_human by Ada → yes"
    assert [text(answered_by=by) for by in (None, "", 7)] == ["ask_human → yes"] * 3
