"""Ids of runs and events: generates NanoIDs, and validates the ids of other producers."""

import os
import string
from typing import Final

ALPHABET: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits
ID_LENGTH: Final = 12  # 71 random bits: a collision within one run is practically impossible
MAX_ID_BYTES: Final = 255

# Each character stands for four of the 256 byte values. The last eight values stand for none, and are removed.
_BYTE_TO_CHARACTER: Final = (ALPHABET * 5)[:256].encode()
_LEFT_OUT: Final = bytes(range(4 * len(ALPHABET), 256))
_DRAW_BYTES: Final = 1024


class _Pool:
    """Ids generated in advance, 82 at a time, for one process."""

    ids: list[str]
    process: int | None = None


def new_id(process: int | None = None) -> str:
    """Return a new 12-character NanoID (A-Z a-z 0-9) from the system's random source. Safe in threads and forks.

    Args:
        process: the id of this process, if the caller knows it already.
    """
    # Ids are generated in advance because `os.urandom` releases the interpreter lock, and an emitting thread may wait
    # 5 ms to get it back. The pool is per process, because parent and child of a fork must not return the same ids.
    process = os.getpid() if process is None else process
    try:
        if _Pool.process == process:
            return _Pool.ids.pop()
    except IndexError:
        pass
    _Pool.ids, _Pool.process = _draw(), process  # ids first: no other thread may pop the parent's ids as its own
    return new_id(process)


def _draw() -> list[str]:
    characters = os.urandom(_DRAW_BYTES).translate(_BYTE_TO_CHARACTER, _LEFT_OUT).decode()
    return [characters[at : at + ID_LENGTH] for at in range(0, len(characters) - ID_LENGTH + 1, ID_LENGTH)]


def id_problem(text: str) -> str | None:
    """Return why `text` is not a valid id, or None if it is valid.

    A valid id is not empty, has at most 255 bytes in UTF-8, no NUL and no lone surrogate. The result, such as "contains
    a NUL", is a predicate for the name of the field.
    """
    if text.isascii() and 0 < len(text) <= MAX_ID_BYTES and "\0" not in text:
        return None  # nearly every id
    if not text:
        return "is empty"
    if "\0" in text:
        return "contains a NUL"
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        return f"contains a lone surrogate (character {error.start})"
    return f"has {size} bytes, more than {MAX_ID_BYTES}" if size > MAX_ID_BYTES else None
