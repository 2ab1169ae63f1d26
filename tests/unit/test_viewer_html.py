"""Pages are trees: nothing in them is taken for HTML."""

import json
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from viewer.chat import chat_of_text, indented, message_of
from viewer.dead_letter_page import pretty
from viewer.html import document, el
from viewer.media import media_text

SCRIPT = "<script>alert(1)</script>\"'&"


def test_text_and_attributes_are_escaped() -> None:
    page = document(el("p", SCRIPT, title=SCRIPT, data_x=SCRIPT)).decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert re.fullmatch(r'<!doctype html>\n<p title="[^"]*" data-x="[^"]*">[^<]*</p>', page)


def test_characters_that_are_not_printable_are_shown_as_escapes_in_their_place() -> None:
    page = document(el("p", "a\x1b[31mb\u202ec\n\td\ud800e\0")).decode()

    assert page == (
        '<!doctype html>\n<p>a<span class="escape">\\x1b</span>[31mb<span class="escape">\\u202e</span>c\n\td'
        '<span class="escape">\\ud800</span>e<span class="escape">\\x00</span></p>'
    )


def test_a_text_after_an_element_follows_it_and_nothing_stands_for_none() -> None:
    page = document(
        el("p", "a", el("b", "c"), "d", None, ["e", [el("br")]], hidden=True, id=None, title=False)
    ).decode()

    assert page == '<!doctype html>\n<p hidden="hidden">a<b>c</b>de<br></p>'


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


def test_other_prompts_are_no_chat() -> None:
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
def test_any_json_is_a_chat_or_none_and_can_be_shown(value: object) -> None:
    message = message_of({"role": "user", "content": value, "tool_calls": value})

    assert message is not None
    assert document(el("div", message.role, [[kind, text] for kind, text in message.parts]))
    chat_of_text(json.dumps([value]))
    chat_of_text(json.dumps({"messages": [value], "input": value}))


def test_a_text_of_unprintable_characters_is_escaped_and_does_not_become_as_many_elements() -> None:
    made = el("p", "a" + "\u202e" * 100_000 + "\x1b\n<b>")

    assert len(made) == 2000
    text = "".join(made.itertext())
    assert (text[:7], text[-8:], text.count("\\u202e")) == ("a\\u202e", "\\x1b\n<b>", 100_000)


def test_a_deep_value_of_a_dead_letter_is_not_indented_without_limit() -> None:
    deep = b"[" * 500 + b"1," * 50_000 + b"1" + b"]" * 500

    assert pretty(deep) == deep.decode()
    assert pretty(b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert pretty(b"{\xff") == "{\\xff"
