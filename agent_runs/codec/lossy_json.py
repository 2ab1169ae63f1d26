"""JSON of anything: fast by msgspec, or spelled by hand where that refuses a value or would change it silently.

What JSON has no form for, or PostgreSQL no digits, stands there as `{"$repr": "…"}`.
"""

import json
import math
import os
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec

from agent_runs.codec.scan import MAX_DEPTH
from agent_runs.signal_safety import reraise_from_signal_handler

# PostgreSQL's numeric, and so its JSONB, has so many digits before the point and behind it.
MOST_DIGITS: Final = 131_072
_MOST_DECIMALS: Final = 16_383

# msgspec knows these itself: asked about one of them, we are asked about the key of an object, which must be a string.
_OWN_TYPES: Final = (bool, type(None), tuple, list, dict, set, frozenset)


def _stand_in(value: Any) -> Any:
    """What to encode for an object that msgspec doesn't know."""
    kind = type(value)  # `isinstance` would ask the object, which may raise
    if issubclass(kind, _OWN_TYPES):
        raise TypeError(f"{kind.__name__} as a key")  # answered with an object, msgspec would ask for ever
    for base in (str, int, float):
        if issubclass(kind, base):  # derived from it, as numpy's floats are
            return base(value)
    try:
        if issubclass(kind, Mapping):
            return dict(value)
        if issubclass(kind, os.PathLike):
            return os.fspath(value)
        if issubclass(kind, date | time):  # derived too, such as those that stop the clock in tests
            return value.isoformat()
        return kind.model_dump(value, mode="json")  # pydantic, in whose models the clients of LLMs answer
    except Exception as error:  # noqa: BLE001  # most have no such method; what another raises is worth no event
        reraise_from_signal_handler(error)
        return {"$repr": _representation(value)}


# Fast, and for nearly everything there is. NaN goes as null, a Decimal's NaN as itself.
dump_fast: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_stand_in).encode


class _Step(NamedTuple):
    """A value to spell, or a text that is spelled, or the end of a container, by its identity."""

    value: Any = None
    text: str = ""
    leaves: int = 0


def dump_lossy(root: Any) -> str:
    """JSON in ASCII, whatever `root` holds and however deep it is."""
    pieces: list[str] = []
    above: set[int] = set()  # the containers that we are in: one that holds itself must end
    steps = [_Step(root)]
    while steps:
        value, text, leaves = steps.pop()
        if leaves:
            above.discard(leaves)
        elif text:
            pieces.append(text)
        else:
            steps += reversed(_take_apart(value, above))
    return "".join(pieces)


def _take_apart(value: Any, above: set[int]) -> list[_Step]:
    """What spells a value: its text, or its parts."""
    try:
        if value is None or isinstance(value, str | int | float | Decimal):
            return [_Step(text=_spell_scalar(value))]
        if id(value) not in above and len(above) < MAX_DEPTH - 1:
            return _open(value, above)
    except Exception as error:  # noqa: BLE001  # an object may raise whatever is asked of it, even its class
        reraise_from_signal_handler(error)
    return [_Step(text=_spell_representation(value))]


def _open(value: Any, above: set[int]) -> list[_Step]:
    """The steps for a container, or for an object that has another form."""
    match value:
        case Mapping():
            parts = [[_Step(text=f"{_spell_key(key)}:"), _Step(item)] for key, item in value.items()]
        case list() | tuple() | set() | frozenset():
            parts = [[_Step(item)] for item in value]
        case _:
            return [_Step(msgspec.to_builtins(value, builtin_types=(Decimal,), enc_hook=_stand_in))]
    above.add(id(value))
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    between = [step for part in parts for step in (_Step(text=","), *part)][1:]
    return [_Step(text=opening), *between, _Step(text=closing), _Step(leaves=id(value))]


def _spell_scalar(value: Any) -> str:
    if isinstance(value, Enum):
        return dump_lossy(value.value)
    if isinstance(value, str):
        return json.dumps(value)
    try:
        return dump_fast(value).decode() if _is_number(value) else _spell_representation(value)
    except ValueError:  # Python converts no integer of 4,300 digits
        return _spell_representation(value)


def _is_number(value: Any) -> bool:
    """Whether JSON and PostgreSQL have a form for it; what is no number at all has one."""
    if isinstance(value, Decimal):
        return value.is_finite() and value.adjusted() < MOST_DIGITS and -_exponent(value) <= _MOST_DECIMALS
    return not isinstance(value, float) or math.isfinite(value)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0  # a letter, where it is not finite


def _spell_key(key: Any) -> str:
    """Text as it is; of anything else, the JSON that it would be as a value."""
    spelled = dump_lossy(key)
    return spelled if spelled.startswith('"') else json.dumps(spelled)


def _spell_representation(value: Any) -> str:
    return f'{{"$repr":{json.dumps(_representation(value))}}}'


def _representation(value: Any) -> str:
    try:
        return hex(value) if type(value) is int else repr(value)
    except Exception as error:  # noqa: BLE001  # an agent's object: what it raises is worth a word, and not the event
        reraise_from_signal_handler(error)
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
