"""Encodes any Python object as JSON.

`dump_fast` and `dump_sorted` use msgspec. `dump_lossy` is much slower; it encodes what msgspec refuses or changes
silently. An object that JSON cannot express becomes `{"$repr": "…"}`. `dump_lossy` also replaces a number that
PostgreSQL cannot store.
"""

import json
import math
import os
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec

from agent_runs.codec.json_scan import MAX_DEPTH
from agent_runs.codec.numbers import MAX_DIGITS, fits_numeric, number_of
from agent_runs.signal_safety import reraise_from_signal_handler

# msgspec encodes these itself. It passes a value of these types to `_enc_hook` only if the value is an object's key.
_MSGSPEC_TYPES: Final = (bool, type(None), tuple, list, dict, set, frozenset)


def _enc_hook(value: Any) -> Any:  # noqa: PLR0911  # a return for each kind of object
    """Return what msgspec encodes in place of an object of a type that it does not support."""
    kind = type(value)  # `isinstance` reads `__class__`, which may be a property that raises
    if issubclass(kind, _MSGSPEC_TYPES):
        raise TypeError(f"{kind.__name__} as a key")  # if the hook returned it, msgspec would call the hook endlessly
    if (number := number_of(value, kind)) is not None:
        return number
    for base in (float, int, str, bytes, Decimal):
        if issubclass(kind, base):
            return base(value)
    if issubclass(kind, timedelta):
        return timedelta(value.days, value.seconds, value.microseconds)
    try:
        if issubclass(kind, Mapping):
            return dict(value)
        if issubclass(kind, os.PathLike):
            return os.fspath(value)
        if issubclass(kind, date | time):  # a subclass, such as freezegun's FakeDatetime
            return value.isoformat()
        return _dump_of_library(value, kind)
    except Exception as error:  # noqa: BLE001  # an object that raises must not lose the event
        reraise_from_signal_handler(error)
        return {"$repr": safe_repr(value)}


def _dump_of_library(value: Any, kind: type) -> Any:
    """Return the parts of an object that its library can name: of pydantic's models, and of Arrow's scalars."""
    if hasattr(kind, "model_dump"):  # LLM clients return pydantic's models
        return kind.model_dump(value, mode="json")
    return value.as_py() if hasattr(kind, "as_py") else {"$repr": safe_repr(value)}


# Encodes nearly every value. It writes a NaN as null if it is a float, and as NaN, which is not JSON, if a Decimal.
dump_fast: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_enc_hook).encode
# The same with the keys of objects and the fields of classes in the order of their names. It refuses keys that are not
# strings.
dump_sorted: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=_enc_hook, order="sorted").encode


def to_builtins(value: Any) -> Any:
    """Convert an object, such as a dataclass, to dictionaries, lists and scalars. A float may be NaN."""
    return msgspec.to_builtins(value, builtin_types=(Decimal,), enc_hook=_enc_hook)


def may_hide_numbers(text: bytes) -> bool:
    """Whether `dump_fast` may have written a NaN or an infinity, or a number that PostgreSQL cannot store."""
    return len(text) > MAX_DIGITS or any(mark in text for mark in (b"null", b"NaN", b"Infinity", b"E+", b"E-"))


def dump_struct(value: Any) -> bytes:
    """Return an object that msgspec supports, such as a struct, as JSON, whatever texts and numbers it has."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, TypeError, ValueError):  # a lone surrogate; a number beyond the limits of msgspec
        return dump_lossy(msgspec.to_builtins(value)).encode()


LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _Step(NamedTuple):
    """One item on the stack of `dump_lossy`: a value to encode, JSON text to append, or the end of a container.

    Attributes:
        value: the value to encode, if `text` and `closes` are empty.
        text: the JSON text to append to the output.
        closes: the `id()` of a container whose parts are all encoded.
    """

    value: Any = None
    text: str = ""
    closes: int = 0


def dump_lossy(root: Any, *, canonical: bool = False) -> str:
    """Return any object as JSON, nested at most `MAX_DEPTH` deep.

    An object that raises becomes a `$repr`. A container that contains itself, or is nested too deep, also becomes a
    `$repr`. The stack is explicit because a payload may be nested deeper than Python's recursion limit.

    Args:
        root: the object.
        canonical: False: the text is ASCII, and keys keep their order. True: the text is the one of `dump_sorted` for
            every object that `dump_sorted` encodes without loss; keys and the items of sets are sorted.
    """
    output: list[str] = []
    open_containers: set[int] = set()
    stack = [_Step(root)]
    while stack:
        value, text, closes = stack.pop()
        if closes:
            open_containers.discard(closes)
        elif text:
            output.append(text)
        else:
            stack += reversed(_expand(value, open_containers, canonical=canonical))
    return "".join(output)


def _expand(value: Any, open_containers: set[int], *, canonical: bool) -> list[_Step]:
    """Return the steps that encode a value: its text, or its parts."""
    try:
        if value is None or isinstance(value, str | int | float | Decimal):
            return [_Step(text=_dump_scalar(value, canonical=canonical))]
        if id(value) not in open_containers and len(open_containers) < MAX_DEPTH - 1:
            return _expand_container(value, open_containers, canonical=canonical)
    except Exception as error:  # noqa: BLE001  # any access to an agent's object may raise, even reading its class
        reraise_from_signal_handler(error)
    return [_Step(text=_dump_repr(value, canonical=canonical))]


def _expand_container(value: Any, open_containers: set[int], *, canonical: bool) -> list[_Step]:
    """Return the steps for a container, or for an object that msgspec converts to plain values."""
    match value:
        case Mapping():
            items = [(key_text(key), item) for key, item in value.items()]
            if canonical:
                items.sort(key=itemgetter(0))
            parts = [[_Step(text=f"{dump_text(key, canonical=canonical)}:"), _Step(item)] for key, item in items]
        case set() | frozenset() if canonical:
            parts = [[_Step(item)] for item in sorted_items(value)]
        case list() | tuple() | set() | frozenset():
            parts = [[_Step(item)] for item in value]
        case _:
            return [_Step(to_builtins(value))]
    open_containers.add(id(value))
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    between = [step for part in parts for step in (_Step(text=","), *part)][1:]
    return [_Step(text=opening), *between, _Step(text=closing), _Step(closes=id(value))]


def sorted_items(items: AbstractSet[Any]) -> list[Any]:
    """Return the items in their order, or in that of their texts if they have none, such as numbers and strings."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=partial(dump_lossy, canonical=True))


def _dump_scalar(value: Any, *, canonical: bool) -> str:
    if isinstance(value, Enum):
        return dump_lossy(value.value, canonical=canonical)
    if isinstance(value, str):
        return dump_text(value, canonical=canonical)
    try:
        return dump_fast(value).decode() if _is_storable(value) else _dump_repr(value, canonical=canonical)
    except ValueError:  # Python does not convert an integer of more than 4,300 digits to text
        return _dump_repr(value, canonical=canonical)


def dump_text(text: str, *, canonical: bool) -> str:
    """Return a text as JSON; a lone surrogate becomes its escape."""
    if not canonical:
        return json.dumps(text)
    return LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def _is_storable(value: Any) -> bool:
    """Whether JSON can express the scalar and PostgreSQL can store it."""
    if isinstance(value, Decimal):
        return fits_numeric(value)
    return not isinstance(value, float) or math.isfinite(value)


def key_text(key: Any) -> str:
    """Return the text of a key. Of a key that is not text, such as `1`, it is the JSON: `"1"`."""
    if type(key) is str:
        return key
    dumped = dump_lossy(key)
    return str(json.loads(dumped)) if dumped.startswith('"') else dumped


def _dump_repr(value: Any, *, canonical: bool) -> str:
    return f'{{"$repr":{dump_text(safe_repr(value), canonical=canonical)}}}'


def safe_repr(value: Any) -> str:
    """Return the Python representation of an object, even if its `__repr__` raises."""
    try:
        return hex(value) if type(value) is int else repr(value)
    except Exception as error:  # noqa: BLE001  # a `__repr__` that raises must not lose the event
        reraise_from_signal_handler(error)
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
