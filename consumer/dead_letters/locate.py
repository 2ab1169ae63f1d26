"""Finds the byte of a refused record at which the error is. Does no I/O.

The decoder states the reason, and is fast; this module searches the bytes again, slowly, to show the place to an
operator.
"""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from functools import partial
from json.decoder import scanstring  # type: ignore[attr-defined]  # not in typeshed
from typing import Final, NamedTuple

from agent_runs.codec.json_scan import MAX_DEPTH, STRING
from agent_runs.codec.lossy_json import fits_numeric
from agent_runs.ids import MAX_ID_BYTES
from consumer.model.records import Reason, Record

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
        byte: its position in the part, from 0.
        before: up to 40 bytes before it.
        after: up to 40 bytes from it on.
    """

    part: str
    byte: int
    before: bytes
    after: bytes


def locate(record: Record, reason: Reason, detail: str) -> Place | None:
    """Return the place of the error; None if the reason applies to the whole record.

    Args:
        record: a refused record.
        reason: the reason for the refusal.
        detail: the detail of the refusal; it names the field of an invalid event.
    """
    if reason is Reason.INVALID_KEY:
        return _place("key", record.key, _in_key)
    field = _FIELD.search(detail)
    searches: dict[Reason, Callable[[bytes], int | None]] = {
        Reason.NOT_JSON: _syntax_error,
        Reason.INVALID_EVENT: partial(_member, name=(field[1] or field[2]) if field else ""),
        Reason.EVENT_ID_CONFLICT: partial(_member, name="id"),
        Reason.STORE_REJECTED: _too_large_number,
    }
    return _place("value", record.value, searches[reason]) if reason in searches else None


def _place(part: str, data: bytes | None, search: Callable[[bytes], int | None]) -> Place | None:
    byte = search(data) if data else None
    if data is None or byte is None:
        return None
    return Place(part, byte, data[max(0, byte - _CONTEXT_BYTES) : byte], data[byte : byte + _CONTEXT_BYTES])


def _in_key(key: bytes) -> int:
    try:
        key.decode()
    except UnicodeDecodeError as error:
        return error.start
    return key.index(b"\0") if b"\0" in key else MAX_ID_BYTES


def _syntax_error(value: bytes) -> int | None:
    if (deep := _too_deep(value)) is not None:
        return deep
    try:
        text = value.decode()
        json.JSONDecoder(parse_int=str, parse_constant=_refuse).decode(text)
    except UnicodeDecodeError as error:
        return error.start
    except json.JSONDecodeError as error:
        return _bytes(text, error.pos)
    except ValueError:
        return next((match.start(1) for match in _CONSTANT.finditer(value) if match[1]), None)
    return None


def _too_deep(value: bytes) -> int | None:
    depth = 0
    for bracket in _BRACKET.finditer(value):
        depth += bool(bracket[1]) - bool(bracket[2])
        if depth > MAX_DEPTH:
            return bracket.start()
    return None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _member(value: bytes, name: str) -> int:
    """Return the start of the value of an object's member, or of the object if it has no such member."""
    text = value.decode()
    found = [start for member, start in _members(text) if member == name]
    return _bytes(text, found[-1] if found else _after_space(text, 0))


def _members(text: str) -> Iterator[tuple[str, int]]:
    """The names of an object's members, each with the start of its value. The text must be valid JSON."""
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


def _too_large_number(value: bytes) -> int | None:
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


def _bytes(text: str, characters: int) -> int:
    return len(text[:characters].encode())
