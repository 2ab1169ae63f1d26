"""The keys by which requests and recorded calls are compared: equal values have equal keys.

Key order, white space and the notation of numbers do not count: `1`, `1.0` and `1e0` are equal. A prompt that is a JSON
object or array is compared as JSON.
"""

import json
import re
from decimal import Decimal
from math import isinf
from typing import Any

import msgspec

from agent_runs.codec.canonical_json import canonical_json, text_of

_MAY_HAVE_FRACTION = re.compile(r"\d[.eE]|-0").search  # also inside a string, which costs time only


def value_key(value: Any) -> str:
    """Return the key of any value, such as the arguments of a tool call."""
    text = canonical_json(value)
    return _by_value(text) if _MAY_HAVE_FRACTION(text) else text


def prompt_key(prompt: Any) -> str:
    """Return the key of a prompt: text, or a value such as a list of messages."""
    text = text_of(prompt)
    parsed = parse_json(text)
    return text if parsed is None else value_key(parsed)


def parse_json(text: str) -> Any:
    """Return the value of a text that is a JSON object or array; None for any other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _by_value(text: str) -> str:
    """Return a canonical JSON text with equal numbers written alike; the text itself if it has integers only."""
    fractions: list[str] = []

    def real(literal: str) -> int | float | Decimal:
        fractions.append(literal)
        return _real(literal)

    try:
        value = json.loads(text, parse_float=real)
    except (ValueError, RecursionError):  # nested too deep for the standard library
        return text
    return canonical_json(value) if fractions else text


def _real(literal: str) -> int | float | Decimal:
    number = float(literal)
    if isinf(number):
        return Decimal(literal).normalize()
    return int(number) if number.is_integer() else number
