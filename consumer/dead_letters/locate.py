"""Finds the byte of a refused record at which the error is. Does no I/O.

The decoder must be fast, and reports the reason and the detail only. This module searches the bytes again, to show the
place to an operator.
"""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from functools import partial
from json.decoder import scanstring  # type: ignore[attr-defined]  # not in typeshed
from typing import Final, NamedTuple

from agent_runs.codec.json_scan import MAX_DEPTH, STRING
from agent_runs.codec.numbers import fits_numeric
from agent_runs.codec.records import Reason
from agent_runs.ids import MAX_ID_BYTES
from agent_runs.kafka.records import Record

_CONTEXT_BYTES: Final = 40
_BRACKET = re.compile(STRING + rb"|([\[{])|([\]}])", re.DOTALL)
_CONSTANT = re.compile(STRING + rb"|(-?(?:NaN|Infinity))", re.DOTALL)
_NUMBER = re.compile(STRING + rb"|(-?\d[\d.eE+-]*)", re.DOTALL)
_FIELD = re.compile(r"at `\$\.(\w+)|^`(\w+)`")  # in msgspec's messages, and in those of `agent_runs.codec`
_SPACE = re.compile(r"[ \t\n\r]*")


class Place(NamedTuple):
    """A place in a record.

    Attributes:
        part: `key` or `value`.
        byte: the position of the error in the part, from 0.
        before: up to 40 bytes before it.
        after: up to 40 bytes from it on.
    """

    part: str
    byte: int
    before: bytes
    after: bytes


def locate(record: Record, reason: Reason, detail: str) -> Place | None:
    """Return the place of the error; None if the reason concerns the whole record, or no place is found.

    Args:
        record: a refused record.
        reason: the reason for the refusal.
        detail: the detail of the refusal; it names the field of an invalid event.
    """
    if reason is Reason.INVALID_KEY:
        return _place("key", record.key, _key_error)
    field = _FIELD.search(detail)
    searches: dict[Reason, Callable[[bytes], int | None]] = {
        Reason.NOT_JSON: _syntax_error,
        Reason.INVALID_EVENT: partial(_member_start, name=(field[1] or field[2]) if field else ""),
        Reason.EVENT_ID_CONFLICT: partial(_member_start, name="id"),
        Reason.STORE_REJECTED: _unstorable_number,
    }
    return _place("value", record.value, searches[reason]) if reason in searches else None


def _place(part: str, data: bytes | None, search: Callable[[bytes], int | None]) -> Place | None:
    byte = search(data) if data else None
    if data is None or byte is None:
        return None
    return Place(part, byte, data[max(0, byte - _CONTEXT_BYTES) : byte], data[byte : byte + _CONTEXT_BYTES])


def _key_error(key: bytes) -> int:
    """Return the first byte that is not UTF-8, the first NUL, or the first byte beyond the size limit."""
    try:
        key.decode()
    except UnicodeDecodeError as error:
        return error.start
    return key.index(b"\0") if b"\0" in key else MAX_ID_BYTES


def _syntax_error(value: bytes) -> int | None:
    """Return the start of what is not JSON: too deep, not UTF-8, a syntax error, NaN or Infinity."""
    if (deep := _too_deep_bracket(value)) is not None:
        return deep
    try:
        text = value.decode()
        json.JSONDecoder(parse_int=str, parse_constant=_refuse_constant).decode(text)
    except UnicodeDecodeError as error:
        return error.start
    except json.JSONDecodeError as error:
        return _byte_length(text, error.pos)
    except ValueError:
        return next((match.start(1) for match in _CONSTANT.finditer(value) if match[1]), None)
    return None


def _too_deep_bracket(value: bytes) -> int | None:
    """Return the first bracket that is nested deeper than `MAX_DEPTH`."""
    depth = 0
    for bracket in _BRACKET.finditer(value):
        depth += bool(bracket[1]) - bool(bracket[2])
        if depth > MAX_DEPTH:
            return bracket.start()
    return None


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)


def _member_start(value: bytes, name: str) -> int:
    """Return the start of the value of an object's last member of that name; without one, the start of the object."""
    text = value.decode()
    found = [start for member, start in _member_starts(text) if member == name]
    return _byte_length(text, found[-1] if found else _after_space(text, 0))


def _member_starts(text: str) -> Iterator[tuple[str, int]]:
    """Yield the names of an object's members, each with the start of its value. The text must be valid JSON."""
    decoder = json.JSONDecoder(parse_int=str)
    at = _after_space(text, 0)
    while at < len(text) and text[at] in "{,":
        at = _after_space(text, at + 1)
        if text[at] != '"':
            return
        name, at = scanstring(text, at + 1)
        start = _after_space(text, _after_space(text, at) + 1)
        yield name, start
        _, at = decoder.raw_decode(text, start)
        at = _after_space(text, at)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _unstorable_number(value: bytes) -> int | None:
    """Return the first number that PostgreSQL's `numeric` cannot store."""
    for match in _NUMBER.finditer(value):
        if match[1] and not _is_numeric(match[1].decode()):
            return match.start(1)
    return None


def _is_numeric(literal: str) -> bool:
    try:
        number = Decimal(literal)
    except InvalidOperation:  # an exponent that Python's Decimal cannot hold
        return False
    return fits_numeric(number)


def _byte_length(text: str, characters: int) -> int:
    """Return how many bytes of UTF-8 the first `characters` of the text have."""
    return len(text[:characters].encode())
