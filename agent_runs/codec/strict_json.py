"""Reads JSON with the standard library, strictly by RFC 8259: lone surrogates are legal, NaN and Infinity are not."""

import json
import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from agent_runs.codec.json_scan import MAX_DEPTH, too_deep
from agent_runs.errors import NotJson

_TOO_DEEP: Final = f"arrays and objects are nested more than {MAX_DEPTH} deep"


def parse(text: bytes) -> Any:
    """Return one JSON value as Python objects.

    Of a repeated key, the last value counts. A number too large for `float`, and an integer of at least 4,000 digits,
    becomes a `Decimal`. A number too large for `Decimal` becomes an infinity.

    Raises:
        NotJson: `text` is not UTF-8, not exactly one JSON value, or nested deeper than `MAX_DEPTH`.
    """
    if too_deep(text):
        raise NotJson(_TOO_DEEP, text)
    try:
        return json.loads(text.decode(), parse_int=_integer, parse_float=_real, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise NotJson(f"invalid UTF-8 at byte {error.start}", text) from error
    except ValueError as error:
        raise NotJson(str(error) if text else "the value is empty", text) from error
    except RecursionError as error:  # up to 1,024 brackets that are never closed pass `too_deep`
        raise NotJson(_TOO_DEEP, text) from error


def json_type(value: object) -> str:
    """Return the JSON name of a parsed value's type; "null or nothing" also stands for an absent field."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null or nothing"}
    return names.get(type(value), "number")


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < 4000 else Decimal(digits)  # Python refuses to convert more than 4,300 digits


def _real(literal: str) -> float | Decimal:
    number = float(literal)
    if math.isfinite(number):
        return number
    try:
        return Decimal(literal)
    except InvalidOperation:  # its exponent has 19 digits: it is legal JSON, but PostgreSQL cannot store it
        return number


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def container_of(text: str) -> Any:
    """Return the JSON object or array that a text is; None for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return parse(text.encode("utf-8", "surrogatepass"))
    except NotJson:
        return None
