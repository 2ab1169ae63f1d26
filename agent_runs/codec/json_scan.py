"""Scans the text of a JSON value without decoding it: depth, number of values, characters that JSONB cannot store."""

import re
from typing import Final

# Each Python version and PostgreSQL have their own nesting limit. The contract's limit is below all of them.
MAX_DEPTH: Final = 512
# Without this limit, 16 MiB of `[],` take a PostgreSQL backend to 1.5 GB.
MAX_VALUES: Final = 1_000_000

STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'  # to be compiled with re.DOTALL
_STRING = re.compile(STRING, re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_EMPTY_CONTAINER = re.compile(rb"\[[ \t\n\r]*\]|\{[ \t\n\r]*\}")

# A pair of surrogate escapes is one character; a lone surrogate escape is not a character. The last branch matches a
# backslash with the character after it, so that `\\u0000` (a backslash, then "u0000") is not taken for an escape.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<unstorable>u0000|u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|.)",
    re.DOTALL,
)


def too_deep(text: bytes, string_bytes: int = 0) -> bool:
    """Whether arrays and objects are nested more than `MAX_DEPTH` deep.

    Args:
        text: one JSON value. For a text that is not JSON the result may be wrong, but the function never raises.
        string_bytes: how many bytes of `text` are known to be inside strings, which contain no arrays or objects.
            Prompts are most of a typical message, so most messages need no scan.
    """
    # A level takes two bytes. Nearly all of the other messages have too few opening brackets to be too deep.
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
    """Whether the text has more than `MAX_VALUES` values: scalars, arrays and objects. Keys don't count."""
    # A value takes at least one byte, and the separator after it another one.
    return len(text) >= 2 * MAX_VALUES and _count_values(text) > MAX_VALUES


def _count_values(text: bytes) -> int:
    bare = _STRING.sub(b"s", text)
    _, empty = _EMPTY_CONTAINER.subn(b"", bare)
    filled = bare.count(b"[") + bare.count(b"{") - empty
    return 1 + bare.count(b",") + filled


def without_unstorable(text: bytes) -> bytes:
    r"""Replace every `\u0000` and every lone surrogate by U+FFFD: they are legal JSON, but JSONB cannot store them.

    Returns `text` itself if it has none of them.
    """
    changed = _ESCAPE.sub(_replace_unstorable, text)
    return text if changed == text else changed


def _replace_unstorable(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape["unstorable"] else escape[0]
