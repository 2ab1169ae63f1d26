"""Writes JSON values as YAML 1.2, for language models and people to read."""

import re
from collections.abc import Callable
from typing import Any, Final

from agent_runs.codec.canonical_json import canonical_json

_MAX_DEPTH: Final = 20  # deeper values are written on one line, as JSON, which is YAML too
_is_plain = re.compile(r"[^\W\d](?:[\w ./@+-]*[\w./@+-])?").fullmatch
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})  # not texts, to some parsers


def yaml_text(value: Any, must_escape: Callable[[str], object] = lambda _: False) -> str:
    """Return a value as YAML in block style, without a line break at its end.

    The keys of the value keep their order; those of the objects in it are sorted, because PostgreSQL's JSONB has an
    order of its own. A text of several lines is a block. A text that might be read as something else is quoted, as in
    JSON.

    Args:
        value: a JSON value.
        must_escape: whether a text may not be written with `<`; then it is quoted, and has an escape sequence for it.
    """
    return "\n".join(_Writer(must_escape).lines(value, 0))


class _Writer:
    def __init__(self, must_escape: Callable[[str], object]) -> None:
        self._must_escape = must_escape

    def lines(self, value: Any, depth: int) -> list[str]:
        """Return the lines of a value, without indentation."""
        if isinstance(value, str):
            return self._lines_of_text(value)
        if not _is_block(value, depth):
            return [self._json(value)]
        if isinstance(value, list):
            return [line for item in value for line in _marked("- ", self.lines(item, depth + 1))]
        lines = []
        for name, item in value.items() if depth == 0 else sorted(value.items()):
            found = self.lines(item, depth + 1)
            if _is_block(item, depth + 1):
                lines += [f"{self._word(str(name))}:", *map(_indented, found)]
            else:  # a scalar; or a block of text, whose first line is `|-`
                lines += _marked(f"{self._word(str(name))}: ", found)
        return lines

    def _lines_of_text(self, text: str) -> list[str]:
        lines = text.removesuffix("\n").split("\n")
        is_block = "\n" in text and lines[0][:1].strip() and lines[-1] and all(map(str.isprintable, lines))
        if not is_block or self._must_escape(text):
            return [self._word(text)]
        return ["|" if text.endswith("\n") else "|-", *lines]

    def _word(self, text: str) -> str:
        return text if _is_plain(text) and text.lower() not in _WORDS else self._json(text)

    def _json(self, value: Any) -> str:
        text = canonical_json(value)
        return text.replace("<", "\\u003c") if self._must_escape(text) else text


def _is_block(value: Any, depth: int) -> bool:
    return isinstance(value, dict | list) and bool(value) and depth < _MAX_DEPTH


def _marked(mark: str, lines: list[str]) -> list[str]:
    """Return lines whose first one follows a mark, and whose others are indented."""
    return [mark + lines[0], *map(_indented, lines[1:])]


def _indented(line: str) -> str:
    return f"  {line}" if line else ""
