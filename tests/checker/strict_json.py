"""JSON as RFC 8259 has it, and what a JSONB column makes of it. Standard library only.

The product reads with msgspec and lets PostgreSQL classify the rest. This module takes neither's word: its own
limits, its own arithmetic for what `numeric` holds, its own search for what a JSONB string cannot.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import NoReturn, TypeAlias

MAX_DEPTH = 512
MAX_VALUES = 1_000_000

# PostgreSQL's numeric: digits before the point, digits after it, and the exponent that its reader still takes.
MAX_WEIGHT = 131_071
MAX_SCALE = 16_383
MAX_EXPONENT = 2**30 - 1

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_BRACKETS = re.compile(rf"{_STRING}|([\[{{])|([\]}}])", re.DOTALL)
_VALUES = re.compile(rf'{_STRING}\s*:|({_STRING}|[\[{{]|[^\s\[\]{{}}",:]+)', re.DOTALL)
_NUMBER = re.compile(r"-?(\d+)(?:\.(\d+))?(?:[eE]([-+]?)(\d+))?", re.ASCII)
_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_UNHOLDABLE = r"\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
_ESCAPES = re.compile(rf"{_PAIR}|({_UNHOLDABLE})|\\.", re.DOTALL)


class NotJson(ValueError):
    """The text is not one JSON value, or is nested too deeply."""


@dataclass(frozen=True, eq=False)
class Number:
    """A number of any size, equal by value as in JSONB: `1.0` is `1`. Never equal to a boolean."""

    literal: str

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Number):
            return NotImplemented
        return self.literal == other.literal or Decimal(self.literal) == Decimal(other.literal)

    __hash__ = None  # type: ignore[assignment]  # nothing needs it, and `Decimal` hashes huge exponents slowly


Json: TypeAlias = "bool | str | Number | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True)
class Document:
    """A parsed text. Of a repeated key the later one counts, but every number in the text has to fit a column."""

    value: Json
    fits_jsonb: bool


def parse(text: str) -> Document:
    """Read one JSON value.

    Raises:
        NotJson: a syntax error, NaN or Infinity, or more than MAX_DEPTH levels of arrays and objects.
    """
    if _is_too_deep(text):
        raise NotJson(f"nested deeper than {MAX_DEPTH}")
    literals: list[str] = []

    def number(literal: str) -> Number:
        literals.append(literal)
        return Number(literal)

    # `decode`, not `json.loads`: that one would take a byte order mark, or UTF-16, without a word.
    decoder = json.JSONDecoder(parse_int=number, parse_float=number, parse_constant=_reject)
    try:
        value: Json = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(str(error)) from error
    return Document(value, all(map(fits_numeric, literals)))


def has_too_many_values(text: str) -> bool:
    """Whether the text has over MAX_VALUES values. The outermost one counts, names of members don't.

    Of a text that is no JSON the contract doesn't say what its values are; here it is what looks like one.
    """
    if len(text) <= MAX_VALUES:
        return False  # a value is a character at least
    values = (match for match in _VALUES.finditer(text) if match[1])
    return next(islice(values, MAX_VALUES, None), None) is not None


def storable_text(text: str) -> str:
    """The text with U+FFFD for each `\\u0000` and each lone surrogate; the same text where there is none."""
    if "\\u" not in text:
        return text
    # Escapes are matched from the left, so that `\\\\u0000` (a backslash, then letters) and pairs pass untouched.
    return _ESCAPES.sub(lambda match: "\\ufffd" if match[1] else match[0], text)


def canonical(value: Json) -> str:
    """One spelling for all values that are equal as JSONB. Of what JSONB holds: there are no lone surrogates in it."""
    return json.dumps(value, sort_keys=True, default=_canonical_number)


def fits_numeric(literal: str) -> bool:
    """Whether PostgreSQL's `numeric` holds the number, by the rules of its `numeric_in`."""
    match = _NUMBER.fullmatch(literal)
    assert match, literal
    whole, fraction, sign, exponent = (part or "" for part in match.groups())
    exponent = exponent.lstrip("0")
    if len(exponent) > len(str(MAX_EXPONENT)):
        return False
    shift = int(exponent or "0") * (-1 if sign == "-" else 1)
    if abs(shift) > MAX_EXPONENT or len(fraction) - shift > MAX_SCALE:
        return False
    digits = whole + fraction
    significant = digits.lstrip("0")
    leading_zeros = len(digits) - len(significant)
    return not significant or len(whole) - leading_zeros - 1 + shift <= MAX_WEIGHT


def _canonical_number(number: Number) -> dict[str, str]:
    """An object that no JSONB value can be, for what must not be mistaken for a string."""
    sign, digits, exponent = Decimal(number.literal).as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    assert isinstance(exponent, int), number  # no NaN, no infinity
    places = exponent + len(text) - len(kept)
    return {"\ud800": f"{'-' if sign else ''}{kept}e{places}" if kept else "0"}


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _BRACKETS.finditer(text):
        depth += bool(match[1]) - bool(match[2])
        if depth > MAX_DEPTH:
            return True
    return False


def _reject(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is no JSON", name, 0)
