"""Builds a page as a tree of elements: text and attributes are escaped when the tree is written, whatever they hold.

`xml.etree` of the standard library writes the tree as HTML. Characters of a text that are not printable, such as
terminal controls and characters that change the reading direction, are shown as their escapes in a `<span>`.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element, tostring

from agent_runs.escaping import escape_line, is_visible
from agent_runs.times import time_text

Child = Element | str | None | Iterable["Child"]

_MAX_ESCAPES: Final = 2000  # of one text that are marked as escapes; a text of nothing else must not fill the memory
_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def el(tag: str, /, *children: Child, **attributes: str | int | bool | None) -> Element:
    """Return an element.

    Args:
        tag: its name.
        children: elements, and texts, whose unprintable characters are escaped; None is left out.
        attributes: its attributes; `_` stands for `-`, and a final one is dropped (`class_`). True is an attribute
            without a value; None and False are left out.
    """
    element = Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            text = name if value is True else _LONE_SURROGATE.sub("\ufffd", str(value))
            element.set(name.rstrip("_").replace("_", "-"), text)
    _append(element, children)
    return element


def text_block(text: str) -> Element:
    """Return a text of several lines as it is, with unprintable characters escaped."""
    return el("pre", text, class_="text")


def time_element(at: datetime) -> Element:
    """Return a time as the time since then, which the script `times` keeps true; the time itself is its title."""
    return el("time", _ago(at), datetime=at.astimezone(UTC).isoformat(), title=time_text(at))


def both_times(at: datetime) -> Element:
    """Return a time as it is, and the time since then."""
    return el("span", el("span", time_text(at), class_="absolute"), " ", time_element(at), class_="times")


def _ago(at: datetime) -> str:
    """Return the time since then as the script writes it: another text would move what is beside it."""
    seconds = max(0, round((datetime.now(UTC) - at).total_seconds()))
    unit, size = next(((name, size) for name, size in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds // size}{unit} ago"


def document(root: Element) -> bytes:
    """Return a page as HTML in UTF-8."""
    return b"<!doctype html>\n" + tostring(root, encoding="unicode", method="html").encode()


def _append(element: Element, children: Iterable[Child]) -> None:
    for child in children:
        if isinstance(child, str):
            _append_text(element, child)
        elif isinstance(child, Element):
            element.append(child)
        elif child is not None:
            _append(element, child)


def _append_text(element: Element, text: str) -> None:
    # Without a look at each character, which takes most of the time of an export: few texts have an escape.
    if is_visible(text.replace("\n", "").replace("\t", "")):
        _append_exact(element, text)
        return
    start = escapes = 0
    for at, character in enumerate(text):
        if not is_visible(character) and character not in "\n\t":
            escapes += 1
            if escapes > _MAX_ESCAPES:
                _append_exact(element, text[start:at] + text[at:].translate(_Escapes()))
                return
            _append_exact(element, text[start:at])
            escape = Element("span", {"class": "escape"})
            escape.text = escape_line(character)
            element.append(escape)
            start = at + 1
    _append_exact(element, text[start:])


class _Escapes(dict[int, str]):
    """The escapes of the characters that a text has, for `str.translate`."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        is_shown = is_visible(character) or character in "\n\t"
        shown = self[code] = character if is_shown else escape_line(character)
        return shown


def _append_exact(element: Element, text: str) -> None:
    if not text:
        return
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text
