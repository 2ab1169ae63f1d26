"""Ids of runs and events: NanoIDs when we make them, any short clean string when somebody else does."""

import os
import string
from typing import Final

ALPHABET: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits
ID_LENGTH: Final = 12  # 71 bits: within one run, a collision is not to be expected in a lifetime
MAX_ID_BYTES: Final = 255


def new_id() -> str:
    """A fresh 12-character NanoID (A-Z a-z 0-9) from the system's random source."""
    # One draw of 128 bits for all twelve characters: the bias is below 2**-56, and it takes a sixth of the time of
    # twelve draws. Not from a buffer: two processes would share it after a fork, and make the same ids.
    number = int.from_bytes(os.urandom(16), "little")
    characters = []
    for _ in range(ID_LENGTH):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return "".join(characters)


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
