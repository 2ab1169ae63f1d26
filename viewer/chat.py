"""Recognizes the messages of a chat in a prompt: the JSON that the common chat interfaces take."""

from typing import Any, Final, NamedTuple

import msgspec

from agent_runs.codec.canonical_json import canonical_json, text_of
from agent_runs.codec.strict_json import container_of

_LISTS: Final = ("messages", "contents", "input")  # of OpenAI and Anthropic, of Gemini, of OpenAI's responses
_TEXTS: Final = ("text", "content", "input_text", "output_text", "thinking", "refusal")


class ChatMessage(NamedTuple):
    """A message of a chat.

    Attributes:
        role: who says it, such as `user`.
        parts: what it says: the kind of each part, such as `text` or `tool call`, and its text.
    """

    role: str
    parts: list[tuple[str, str]]


def chat_of_text(text: str) -> list[ChatMessage] | None:
    """Return the messages that a prompt holds; None if it is not a chat in JSON."""
    value = container_of(text)
    if isinstance(value, dict):
        value = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), None)
    if not isinstance(value, list) or not value:
        return None
    messages = [message_of(item) for item in value]
    found = [message for message in messages if message is not None]
    return found if len(found) == len(messages) else None


def message_of(value: Any) -> ChatMessage | None:
    """Return the message of a chat that a value of JSON is; None if it is none."""
    if not isinstance(value, dict) or not isinstance(value.get("role"), str):
        return None
    content = value.get("content", value.get("parts"))
    parts = [_part(part) for part in content] if isinstance(content, list) else []
    if content is not None and not isinstance(content, list):
        parts = [("text", text_of(content))]
    calls = value.get("tool_calls")
    parts += [("tool call", _call_text(call)) for call in calls] if isinstance(calls, list) else []
    name = value.get("name") or value.get("tool_call_id")
    return ChatMessage(f"{value['role']} {name}" if isinstance(name, str) else value["role"], parts)


def _part(part: Any) -> tuple[str, str]:
    if isinstance(part, str):
        return "text", part
    if isinstance(part, dict):
        kind = part.get("type")
        kind = kind.replace("_", " ") if isinstance(kind, str) else "text"
        for name in _TEXTS:
            if isinstance(part.get(name), str):
                return kind, part[name]
        rest = {name: value for name, value in part.items() if name != "type"}
        return ("part" if kind == "text" else kind), indented(rest)
    return "part", text_of(part)


def _call_text(call: Any) -> str:
    function = call.get("function") if isinstance(call, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return f"{function['name']} {text_of(function.get('arguments'))}"
    return indented(call)


def indented(value: Any) -> str:
    """Return a value of JSON on indented lines."""
    text = canonical_json(value)
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return text
