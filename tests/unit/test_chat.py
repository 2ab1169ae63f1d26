"""The messages of a chat are recognized in prompts and answers."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent_runs.reader.chat import chat_of_text, indented, message_of
from agent_runs.reader.media import media_text


def test_the_messages_of_the_common_chat_formats_are_recognized() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    openai = [{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    parts = [{"type": "text", "text": "a"}, {"type": "tool_use", "name": "f", "input": 1}]
    anthropic = {"model": "m", "messages": [{"role": "user", "content": parts}]}
    gemini = {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}

    assert chat_of_text(json.dumps(openai)) == [("user", [("text", "a")]), ("assistant", [("tool call", "f {}")])]
    tool_use = ("tool call", "f 1")
    assert chat_of_text(json.dumps(anthropic)) == [("user", [("text", "a"), tool_use])]
    assert chat_of_text(json.dumps(gemini)) == [("user", [("text", "a")])]


def test_calls_of_tools_and_their_results_are_readable_in_each_chat_format() -> None:
    call, result = ("tool call", 'f {\n  "a": 1\n}'), ("tool result", "done")
    arguments = {"a": 1}
    openai = {"tool_calls": [{"type": "function", "function": {"name": "f", "arguments": json.dumps(arguments)}}]}
    anthropic = [
        {"type": "tool_use", "id": "1", "name": "f", "input": arguments},
        {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "done"}]},
    ]
    gemini = [
        {"functionCall": {"name": "f", "args": arguments}},
        {"functionResponse": {"name": "f", "response": {"x": 1}}},
    ]
    responses = [
        {"type": "function_call", "name": "f", "arguments": json.dumps(arguments), "call_id": "1"},
        {"type": "function_call_output", "call_id": "1", "output": "done"},
    ]

    assert chat_of_text(json.dumps([{"role": "assistant", "content": None, **openai}])) == [("assistant", [call])]
    assert chat_of_text(json.dumps([{"role": "user", "content": anthropic}])) == [("user", [call, result])]
    found = ("tool result", 'f {\n  "x": 1\n}')
    assert chat_of_text(json.dumps([{"role": "model", "parts": gemini}])) == [("model", [call, found])]
    assert chat_of_text(json.dumps({"input": responses})) == [("assistant", [call]), ("tool", [result])]


def test_media_are_described_and_their_base64_is_not_shown() -> None:
    data = "iVBORw0KGgo" * 200
    url = f"data:image/png;base64,{data}"
    parts = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
        {"type": "input_image", "image_url": url},
        {"inlineData": {"mimeType": "image/png", "data": data}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    message = message_of({"role": "user", "content": parts})

    assert message is not None
    assert message.parts == [*[("image", "image/png, 1.6 kB")] * 4, ("image", "https://example.org/a.png")]
    assert json.loads(indented([{"data": data, "format": "wav"}, "x" * 1100, url])) == [
        {"data": "(wav, 1.6 kB)", "format": "wav"},
        "(base64, 825 B)",
        "(image/png, 1.6 kB)",
    ]
    assert media_text("a word" * 300) is None


def test_other_prompts_are_not_a_chat() -> None:
    for text in ("hello", "[]", "{}", '[{"role":7}]', '["a"]', '[{"role":"user"},1]', "[" * 2000, '{"messages":"a"}'):
        assert chat_of_text(text) is None


NAMES = ("role", "content", "parts", "type", "text", "tool_calls", "function", "name", "arguments", "messages", "input")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@example(5)
@settings(max_examples=25)
def test_any_json_is_a_chat_or_none(value: object) -> None:
    message = message_of({"role": "user", "content": value, "tool_calls": value})

    assert message is not None
    assert all(isinstance(text, str) for part in message.parts for text in part)
    chat_of_text(json.dumps([value]))
    chat_of_text(json.dumps({"messages": [value], "input": value}))
