"""Escapes untrusted text for a terminal or a log line.

Ids, names and error messages come from producers and may hold terminal control sequences, characters that change the
reading direction, or newlines that forge a log line. They are stored unchanged, and escaped where they are shown.
"""


def escape_line(text: str) -> str:
    """Return the text on one line, with each character that is not printable replaced by its Python escape."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def escape_lines(text: str) -> str:
    """Return a text of several lines, such as a traceback, with each line escaped.

    All lines but the first are indented, so that none looks like a separate log entry.
    """
    return "\n    ".join(escape_line(line) for line in text.rstrip("\n").split("\n"))
