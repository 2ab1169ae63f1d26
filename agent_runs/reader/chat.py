"""Recognizes the messages of a chat in a prompt or an answer: the JSON of the common chat interfaces."""

from typing import Any, Final, NamedTuple

import msgspec

from agent_runs.codec.canonical_json import canonical_json, text_of
from agent_runs.codec.strict_json import container_of
from agent_runs.reader.media import media_text, type_of, without_media

# Where a request or a response has its messages: OpenAI and Anthropic; Gemini; OpenAI's responses.
_LISTS: Final = ("messages", "contents", "input", "output")
# Where a response has the alternatives of its answer, and each of them its message: OpenAI; Gemini.
_ALTERNATIVES: Final = (("choices", "message"), ("candidates", "content"))
_TEXTS: Final = ("text", "content", "input_text", "output_text", "thinking", "refusal")
_TEXT_TYPES: Final = ("input_text", "output_text")
# Where a part has a call of a tool, or its result, as a field of its own: Gemini.
_CALLS: Final = ("functionCall", "function_call")
_RESULTS: Final = ("functionResponse", "function_response")
# Where the picture, the sound or the file of a part is: Anthropic; OpenAI; Gemini.
_MEDIA: Final = ("source", "image_url", "input_audio", "file", "inlineData", "inline_data", "fileData", "file_data")
_ADDRESSES: Final = ("url", "image_url", "fileUri", "file_uri", "file_id")
# The items of OpenAI's responses that have a type and no role.
_ITEM_ROLES: Final = {"function_call": "assistant", "function_call_output": "tool", "reasoning": "assistant"}


class ChatMessage(NamedTuple):
    """A message of a chat.

    Attributes:
        role: who says it, such as `user`.
        parts: what it says: the kind of each part, such as `text` or `tool call`, and its text.
    """

    role: str
    parts: list[tuple[str, str]]


def chat_of_text(text: str) -> list[ChatMessage] | None:
    """Return the messages that a prompt or an answer holds; None if it is not a chat in JSON."""
    value = container_of(text)
    if isinstance(value, dict):
        value = [value] if message_of(value) is not None else _messages_in(value)
    if not isinstance(value, list) or not value:
        return None
    messages = [message_of(item) for item in value]
    found = [message for message in messages if message is not None]
    return found if len(found) == len(messages) else None


def _messages_in(value: dict[str, Any]) -> list[Any] | None:
    for name in _LISTS:
        if isinstance(value.get(name), list):
            return value[name]  # type: ignore[no-any-return]
    for name, part in _ALTERNATIVES:
        if isinstance(value.get(name), list):
            return [each.get(part) if isinstance(each, dict) else None for each in value[name]]
    return None


def message_of(value: Any) -> ChatMessage | None:
    """Return the message of a chat that a value of JSON is; None if it is none."""
    if not isinstance(value, dict):
        return None
    if not isinstance(value.get("role"), str):
        kind = value.get("type")
        role = _ITEM_ROLES.get(kind) if isinstance(kind, str) else None
        return None if role is None else ChatMessage(role, [_part(value)])
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
    if not isinstance(part, dict):
        return "part", text_of(part)
    kind = part.get("type")
    kind = kind.replace("_", " ") if isinstance(kind, str) and kind not in _TEXT_TYPES else "text"
    return _tool_part(part, kind) or _plain_part(part, kind)


def _plain_part(part: dict[str, Any], kind: str) -> tuple[str, str]:
    """Return a part that is not a call of a tool: a text, media, or anything else as JSON."""
    media = _media_part(part, kind)
    if media is not None:
        return media
    for name in _TEXTS:
        if isinstance(part.get(name), str):
            return kind, part[name]
    rest = {name: value for name, value in part.items() if name != "type"}
    return ("part" if kind == "text" else kind), indented(rest)


def _tool_part(part: dict[str, Any], kind: str) -> tuple[str, str] | None:
    """Return a call of a tool or its result; None if the part is neither."""
    if kind in ("tool use", "function call", "server tool use"):
        return "tool call", _call_text(part)
    if kind in ("tool result", "function call output"):
        return "tool result", _result_text(part.get("content", part.get("output")))
    for name in _CALLS:
        if isinstance(part.get(name), dict):
            return "tool call", _call_text(part[name])
    for name in _RESULTS:
        if isinstance(part.get(name), dict):
            return "tool result", f"{text_of(part[name].get('name'))} {_result_text(part[name].get('response'))}"
    return None


def _media_part(part: dict[str, Any], kind: str) -> tuple[str, str] | None:
    """Return what picture, sound or file a part has; None if it has none."""
    for name in _MEDIA:
        source = part.get(name)
        fields = {name: source} if isinstance(source, str) else source
        if not isinstance(fields, dict):
            continue
        kind = "image" if kind in ("text", "image url", "input image") else kind
        media = [
            found for text in fields.values() if isinstance(text, str) and (found := media_text(text, type_of(fields)))
        ]
        address = next((fields[name] for name in _ADDRESSES if isinstance(fields.get(name), str)), None)
        return kind, media[0] if media else address or indented(source)
    return None


def _call_text(call: Any) -> str:
    """Return the name of a tool and its arguments, of any of the common formats."""
    function = call.get("function", call) if isinstance(call, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        arguments = next((function[name] for name in ("arguments", "input", "args") if name in function), None)
        value = container_of(arguments) if isinstance(arguments, str) else arguments
        if isinstance(value, dict | list) and value:
            return f"{function['name']} {indented(value)}"
        return function["name"] if arguments is None else f"{function['name']} {text_of(arguments)}"
    return indented(call)


def _result_text(content: Any) -> str:
    if isinstance(content, list):
        parts = [_plain_part(part, "text") if isinstance(part, dict) else ("text", text_of(part)) for part in content]
        return "\n".join(text for _, text in parts)
    if isinstance(content, str):
        return media_text(content) or content
    return indented(content)


def indented(value: Any) -> str:
    """Return a value of JSON on indented lines, with a description in place of media."""
    try:
        text = canonical_json(without_media(value))
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return canonical_json(value)
