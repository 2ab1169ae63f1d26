"""Reads the text of one setting: from its environment variable, or from the file that `<VARIABLE>_FILE` names."""

from collections.abc import Mapping
from pathlib import Path

import msgspec


def look_up(variable: str, environ: Mapping[str, str]) -> str | None:
    """Return the text of a setting from its variable or its file; None if neither is set.

    An empty variable counts as not set, as in compose files and shells. An empty file gives the empty text.

    Raises:
        ValidationError: both are set, or the text cannot be read. The message does not show the text.
    """
    text = environ.get(variable)
    file = environ.get(f"{variable}_FILE")
    if text and file:
        raise msgspec.ValidationError(f"is set, and so is {variable}_FILE: set only one of them")
    if file:
        return _read(file, f"{variable}_FILE")
    if text and not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise msgspec.ValidationError("is not UTF-8 text")
    return text or None


def _read(file: str, variable: str) -> str:
    # A value that is not an absolute path may be the secret itself, in the wrong variable.
    shown = f": {file!r}" if file.startswith("/") else ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        problem = f"the file of {variable} cannot be read: {error.strerror}{shown}"
    except ValueError:  # the bytes are not UTF-8, or the path has a NUL
        problem = f"the file of {variable} is not UTF-8 text{shown}"
    raise msgspec.ValidationError(problem)  # not in `except`: a traceback would show the other error, with the path
