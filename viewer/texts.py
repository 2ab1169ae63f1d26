"""Shows texts of runs: prompts and answers as a conversation, JSON on indented lines, and differences."""

from typing import Any, Final
from xml.etree.ElementTree import Element

from agent_runs.codec.strict_json import container_of
from agent_runs.reader import Change
from agent_runs.reader.chat import ChatMessage, chat_of_text, indented, message_of
from viewer.html import Child, el, text_block

_MAX_SHOWN: Final = 200_000  # characters of one text; the JSON has all of them


def shown_prompt(text: str) -> list[Child]:
    """Return a prompt or an answer as elements: the messages of a chat, else JSON on indented lines, else the text."""
    messages = chat_of_text(text)
    if messages is not None:
        return [_message(message) for message in messages]
    value = container_of(text)
    return [shown_text(text if value is None else indented(value))]


def _message(message: ChatMessage) -> Element:
    role = message.role.split(" ")[0]
    known = role if role in ("system", "user", "assistant", "tool", "model", "developer") else "other"
    parts = [
        [el("p", kind, class_="part") if kind != "text" else None, shown_text(text)] for kind, text in message.parts
    ]
    return el(
        "article",
        el("h3", message.role),
        parts or el("p", "no content", class_="dim"),
        class_=f"message {known}",
    )


def shown_text(text: str) -> Element:
    """Return a text with its line breaks; of a long one, its begin."""
    if not text:
        return el("p", "empty", class_="dim")
    if len(text) <= _MAX_SHOWN:
        return text_block(text)
    rest = f"{len(text) - _MAX_SHOWN:,} more characters are in the JSON."
    return el("div", text_block(text[:_MAX_SHOWN]), el("p", rest, class_="dim"))


def shown_change(change: Change) -> Element:
    """Return a difference: where it is, what was there, and what is there now."""
    head = el(
        "p", el("span", _path_text(change.path), class_="path"), el("span", change.kind, class_="kind"), class_="where"
    )
    before = None if change.kind == "added" else _side(change.before, "removed")
    after = None if change.kind == "removed" else _side(change.after, "added")
    return el("div", head, before, after, class_="change")


def _side(value: Any, side: str) -> Element:
    mark = el("span", "−" if side == "removed" else "+", class_="mark", aria_label=side)
    if message := message_of(value):
        return el("div", mark, _message(message), class_=f"side {side}")
    return el("div", mark, shown_text(value if isinstance(value, str) else indented(value)), class_=f"side {side}")


def _path_text(path: list[str | int]) -> str:
    """Return a path such as `user_prompt[3].content`; the number of a line counts from 1."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
