"""Escapes untrusted text for a terminal or a log line.

Ids, names and error messages come from producers and may hold terminal control sequences, characters that change the
reading direction, or newlines that forge a log line. They are stored unchanged, and escaped where they are shown.
"""

import re
from typing import Final

# Characters that Python calls printable, and that have no form of their own: fillers, of which an id may consist, and
# selectors of variants, which can carry a text that only a language model reads. Without U+FE0E and U+FE0F, of emoji.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)


def is_visible(text: str) -> bool:
    """Whether each character of a text is printable, and has a form of its own or is a space."""
    return text.isprintable() and (text.isascii() or _INVISIBLE.search(text) is None)


def escape_line(text: str) -> str:
    """Return the text on one line, with each character that is not visible replaced by its Python escape."""
    if is_visible(text):
        return text
    return "".join(character if is_visible(character) else ascii(character)[1:-1] for character in text)


def escape_lines(text: str) -> str:
    """Return a text of several lines, such as a traceback, with each line escaped.

    All lines but the first are indented, so that none looks like a separate log entry.
    """
    return "\n    ".join(escape_line(line) for line in text.rstrip("\n").split("\n"))
