"""Ids of runs and events: NanoIDs when we make them, any short clean string when somebody else does."""

import os
import string
from typing import Final

ALPHABET: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits
ID_LENGTH: Final = 12  # 71 bits: within one run, a collision is not to be expected in a lifetime
MAX_ID_BYTES: Final = 255

# Every character has four of the 256 bytes; the last eight bytes have none and are left out.
_BYTE_TO_CHARACTER: Final = (ALPHABET * 5)[:256].encode()
_LEFT_OUT: Final = bytes(range(4 * len(ALPHABET), 256))
_DRAW_BYTES: Final = 1024


class _Ahead:
    """Ids that were made ahead, some 80 at a time, by one process."""

    ids: list[str]
    process: int | None = None


def new_id() -> str:
    """A fresh 12-character NanoID (A-Z a-z 0-9) from the system's random source."""
    # Ahead, because a draw lets go of the interpreter's lock: an emitting thread would wait up to 5 ms to get it back.
    # For one process, because after a fork both would go on with the same ids.
    process = os.getpid()
    try:
        if _Ahead.process == process:
            return _Ahead.ids.pop()
    except IndexError:
        pass
    _Ahead.ids, _Ahead.process = _draw(), process  # the ids first: until they are this process's, none takes any
    return new_id()


def _draw() -> list[str]:
    characters = os.urandom(_DRAW_BYTES).translate(_BYTE_TO_CHARACTER, _LEFT_OUT).decode()
    return [characters[at : at + ID_LENGTH] for at in range(0, len(characters) - ID_LENGTH + 1, ID_LENGTH)]


def id_problem(text: str) -> str | None:
    """What keeps `text` from being an id, or None: non-empty, at most 255 bytes of UTF-8, no NUL, no lone surrogate."""
    if text.isalnum() and len(text) * 4 <= MAX_ID_BYTES:
        return None  # nearly every id there is; a letter takes at most four bytes, and none is NUL or a surrogate
    if not text:
        return "is empty"
    if "\0" in text:
        return "contains a NUL"
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        return f"contains a lone surrogate (character {error.start})"
    return f"has {size} bytes, more than {MAX_ID_BYTES}" if size > MAX_ID_BYTES else None
