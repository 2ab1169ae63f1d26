"""Strict JSON (RFC 8259), and what a JSONB column can hold of it. Uses only the standard library.

The product parses with msgspec and leaves the rest to PostgreSQL. This module depends on neither: it has its own
limits, its own arithmetic for the range of `numeric`, and its own search for characters that JSONB cannot hold.
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

# PostgreSQL's numeric: digits before and after the decimal point, and the largest exponent that its parser accepts.
MAX_WEIGHT = 131_071
MAX_SCALE = 16_383
MAX_EXPONENT = 2**30 - 1

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_BRACKETS = re.compile(rf"{_STRING}|([\[{{])|([\]}}])", re.DOTALL)
_VALUES = re.compile(rf'{_STRING}\s*:|({_STRING}|[\[{{]|[^\s\[\]{{}}",:]+)', re.DOTALL)
_NUMBER = re.compile(r"-?(\d+)(?:\.(\d+))?(?:[eE]([-+]?)(\d+))?", re.ASCII)
_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_NOT_STORABLE = r"\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
_ESCAPES = re.compile(rf"{_PAIR}|({_NOT_STORABLE})|\\.", re.DOTALL)


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
    """A parsed text.

    Attributes:
        value: with the last value of each repeated key.
        fits_jsonb: whether `numeric` can hold every number in the text, including those of overridden keys.
    """

    value: Json
    fits_jsonb: bool


def parse(text: str) -> Document:
    """Parse one JSON value.

    Raises:
        NotJson: a syntax error, NaN or Infinity, or more than MAX_DEPTH levels of arrays and objects.
    """
    if _is_too_deep(text):
        raise NotJson(f"nested deeper than {MAX_DEPTH}")
    literals: list[str] = []

    def number(literal: str) -> Number:
        literals.append(literal)
        return Number(literal)

    # `decode`, not `json.loads`, which silently accepts a byte order mark and UTF-16.
    decoder = json.JSONDecoder(parse_int=number, parse_float=number, parse_constant=_reject)
    try:
        value: Json = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(str(error)) from error
    return Document(value, all(map(fits_numeric, literals)))


def has_too_many_values(text: str) -> bool:
    """Whether the text has more than MAX_VALUES values, counting the outermost value but not the names of members.

    The contract does not define the values of a text that is not JSON; here, everything that looks like one counts.
    """
    if len(text) <= MAX_VALUES:
        return False  # a value has at least one character
    values = (match for match in _VALUES.finditer(text) if match[1])
    return next(islice(values, MAX_VALUES, None), None) is not None


def storable_text(text: str) -> str:
    """The text with U+FFFD for each `\\u0000` and each lone surrogate; the same text if there is none."""
    if "\\u" not in text:
        return text
    # Escapes are matched from the left, so that `\\\\u0000` (a backslash, then letters) and pairs stay unchanged.
    return _ESCAPES.sub(lambda match: "\\ufffd" if match[1] else match[0], text)


def canonical(value: Json) -> str:
    """The same text for all values that are equal as JSONB. The value must be storable: without lone surrogates."""
    return json.dumps(value, sort_keys=True, default=_canonical_number)


def fits_numeric(literal: str) -> bool:
    """Whether PostgreSQL's `numeric` can hold the number, by the rules of `numeric_in`."""
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
    """The number as an object with a lone surrogate as its key: no storable value looks like it."""
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
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)
