"""Shows texts of runs: prompts and answers as a conversation, JSON on indented lines, and differences."""

import re
from typing import Any, Final
from xml.etree.ElementTree import Element

from agent_runs.codec.strict_json import container_of
from agent_runs.reader import Change
from agent_runs.reader.alignment import common_ends
from agent_runs.reader.chat import ChatMessage, chat_of_text, indented, message_of
from viewer.html import Child, el, text_block

_WORDS: Final = re.compile(r"\s+|\w+|[^\s\w]")
_MAX_SHOWN: Final = 200_000  # characters of one text; the JSON has all of them
_MAX_QUESTION: Final = 20_000  # characters; the event has all of them


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


def shown_question(text: str, tool: str) -> Element:
    """Return what a question asks: its text, or its arguments on indented lines; without any, the name of its tool."""
    value = container_of(text)
    if not text or (value is not None and not value):
        return el("p", tool, class_="asked")
    if value is None:
        return el("p", text[:_MAX_QUESTION], class_="asked")
    return el("pre", indented(value)[:_MAX_QUESTION], class_="asked text", tabindex="0")  # a long one is scrolled


def shown_change(change: Change) -> Element:
    """Return a difference: where it is, what was there, and what is there now."""
    head = el("p", el("span", change.path_text, class_="path"), el("span", change.kind, class_="kind"), class_="where")
    if change.kind == "changed" and isinstance(change.before, str) and isinstance(change.after, str):
        return el("div", head, _changed_texts(change.before, change.after), class_="change")
    before = None if change.kind == "added" else _side(change.before, "removed")
    after = None if change.kind == "removed" else _side(change.after, "added")
    return el("div", head, before, after, class_="change")


def _side(value: Any, side: str) -> Element:
    if message := message_of(value):
        return _side_of(_message(message), side)
    return _side_of(shown_text(value if isinstance(value, str) else indented(value)), side)


def _side_of(content: Element, side: str) -> Element:
    mark = el("span", "−" if side == "removed" else "+", class_="mark", aria_label=side)
    return el("div", mark, content, class_=f"side {side}")


def _changed_texts(before: str, after: str) -> list[Child]:
    """Return two texts with a mark on what differs: from the first word that differs to the last one."""
    if max(len(before), len(after)) > _MAX_SHOWN:
        return [_side(before, "removed"), _side(after, "added")]
    words: tuple[list[str], list[str]] = (_WORDS.findall(before), _WORDS.findall(after))
    begin, end = common_ends(*words)
    sides: list[Child] = []
    for found, side in zip(words, ("removed", "added"), strict=True):
        parts = "".join(found[:begin]), "".join(found[begin : len(found) - end]), "".join(found[len(found) - end :])
        # A text of which nothing is kept needs no mark.
        marked = el("mark", parts[1]) if parts[1] and (parts[0] or parts[2]) else parts[1]
        content = el("pre", parts[0], marked, parts[2], class_="text") if found else shown_text("")
        sides.append(_side_of(content, side))
    return sides
