"""Copies many values of one type in a few steps for all of them; one step in Python for each would take longer."""

import re
from collections.abc import Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, Final

import msgspec

from agent_runs.codec.numbers import number_type

_NOT_OF_A_NUMBER: Final = re.compile("[^-0-9.]")
# Of more characters, a decimal may have more digits than PostgreSQL can store.
_MANY_CHARACTERS: Final = 16_000


def copy_alike(items: Sequence[Any]) -> list[Any] | None:
    """Return what msgspec encodes for these items if they are numbers of one type.

    None if they are not, or if msgspec cannot encode all of them without loss.
    """
    kinds = set(map(type, items))
    if len(kinds) != 1:
        return None
    (kind,) = kinds
    if (number := number_type(kind)) is not None:
        numbers = list(map(number, items))
        return numbers if number is not float or all(map(isfinite, numbers)) else None
    return _decimals(items) if kind is Decimal else None


def plain_decimal(value: Decimal) -> msgspec.Raw | None:
    """Return the JSON of a number of ordinary size; None if it is not one. msgspec takes five times as long."""
    text = str(value)
    return None if _NOT_OF_A_NUMBER.search(text) or len(text) > _MANY_CHARACTERS else msgspec.Raw(text)


def _decimals(items: Sequence[Decimal]) -> list[msgspec.Raw] | None:
    texts = list(map(str, items))
    if _NOT_OF_A_NUMBER.search("".join(texts)) or max(map(len, texts)) > _MANY_CHARACTERS:
        return None
    return list(map(msgspec.Raw, texts))
