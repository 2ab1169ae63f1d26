"""What the text of a JSON value shows before, or without, being decoded."""

import re
from typing import Final

# Python versions and PostgreSQL each have a nesting limit of their own: the contract has one that all of them reach.
MAX_DEPTH: Final = 512
# 16 MiB of `[],` would take a PostgreSQL backend to 1.5 GB.
MAX_VALUES: Final = 1_000_000

STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'  # with re.DOTALL
_STRING = re.compile(STRING, re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_EMPTY_CONTAINER = re.compile(rb"\[[ \t\n\r]*\]|\{[ \t\n\r]*\}")

# A pair of surrogate escapes is one character; alone, either is none. `\\` comes with whatever follows it, so that
# the text `\\u0000` (a backslash, then "u0000") is not taken for an escape.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<unstorable>u0000|u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|.)",
    re.DOTALL,
)


def too_deep(text: bytes, string_bytes: int = 0) -> bool:
    """Whether arrays and objects stand more than `MAX_DEPTH` deep in one another.

    `string_bytes` of the text are known to be strings, where nothing nests: prompts are most of most messages.
    """
    # A level takes two bytes. Counting openers settles all but the strangest of the others.
    if len(text) - string_bytes <= 2 * MAX_DEPTH:
        return False
    return text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(text) > MAX_DEPTH


def _depth(text: bytes) -> int:
    depth = deepest = 0
    for bracket in _STRING.sub(b"", text).translate(None, _NO_BRACKETS):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def too_many_values(text: bytes) -> bool:
    """Whether more than `MAX_VALUES` values stand in the text: scalars, arrays and objects, not the keys of objects."""
    # A value takes a byte and what parts it from the next another one.
    return len(text) >= 2 * MAX_VALUES and _count_values(text) > MAX_VALUES


def _count_values(text: bytes) -> int:
    bare = _STRING.sub(b"s", text)
    _, empty = _EMPTY_CONTAINER.subn(b"", bare)
    filled = bare.count(b"[") + bare.count(b"{") - empty
    return 1 + bare.count(b",") + filled


def without_unstorable(text: bytes) -> bytes:
    r"""The text with U+FFFD for every `\u0000` and lone surrogate: legal JSON that JSONB cannot hold.

    Returns `text` itself when it has neither.
    """
    changed = _ESCAPE.sub(_replace_unstorable, text)
    return text if changed == text else changed


def _replace_unstorable(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape["unstorable"] else escape[0]
