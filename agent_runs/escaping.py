"""Text of strangers, made fit for a terminal and for a line of a log.

Ids, names and error messages hold whatever somebody sent: sequences that a terminal obeys, characters that turn the
reading direction around, newlines that forge a line. They are stored as they are, and shown like this.
"""


def escape_line(text: str) -> str:
    """The text in one line: in place of each character that does not simply print there is its escape."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def escape_lines(text: str) -> str:
    """The same of several lines, a traceback's: indented, so that none of them looks like a line of the log."""
    return "\n    ".join(escape_line(line) for line in text.rstrip("\n").split("\n"))
