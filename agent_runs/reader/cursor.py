"""The opaque cursor of a page: the id of its last run, and the time by which the list is ordered."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import NamedTuple

import msgspec

from agent_runs.reader.errors import InvalidCursor


class Position(NamedTuple):
    """A place in a list of runs that is ordered by a time and the id."""

    at: datetime
    id: str


def encode_cursor(position: Position) -> str:
    """Return the cursor of a position."""
    return urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str) -> Position:
    """Return the position of a cursor.

    Raises:
        InvalidCursor: the text is not a cursor that `encode_cursor` returned.
    """
    try:
        position = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=Position)
        if position.at.tzinfo is None or "\0" in position.id:
            raise InvalidCursor(_message(cursor))
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise InvalidCursor(_message(cursor)) from error
    return position


def _message(cursor: str) -> str:
    return f"{cursor!r} is not the cursor of a page: pass the `cursor` of the previous page unchanged"
