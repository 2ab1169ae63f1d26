"""Finds and replaces the values of a payload that msgspec cannot encode without loss.

msgspec writes a NaN as null and refuses some values, such as a lone surrogate. A payload that has a few such values is
nearly all plain. They are replaced, and msgspec encodes the rest. `dump_lossy` takes thirty times as long, because it
takes a step in Python for each value.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

import msgspec

from agent_runs.codec.alike_values import copy_alike, plain_decimal
from agent_runs.codec.json_scan import MAX_DEPTH
from agent_runs.codec.lone_surrogates import escaped_json, escaped_text
from agent_runs.codec.lossy_json import (
    LONE_SURROGATE,
    dump_fast,
    dump_sorted,
    dump_text,
    key_text,
    may_hide_numbers,
    safe_repr,
    sorted_items,
    to_builtins,
)
from agent_runs.codec.numbers import fits_numeric, number_type
from agent_runs.signal_safety import reraise_from_signal_handler

# msgspec encodes any object of these types without loss, except texts with lone surrogates and integers of more than
# 4,300 digits, which it refuses.
PLAIN_TYPES: Final = frozenset({str, int, bool, type(None), bytes, datetime, date, time, timedelta, UUID})
_SAFE_INTEGER: Final = 2**64
_MANY: Final = 50  # of fewer items, the conversion one by one takes less time than a look at the types of all
_SEQUENCES: Final = frozenset({list, tuple, set, frozenset})


def is_plain(value: Any, levels: int) -> bool:
    """Whether the value consists of plain types and finite numbers, nested at most `levels` deep.

    This runs for every event. The loop calls the function only for items that are not scalars, which takes a third of
    the time of a call for every item.
    """
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind not in _SEQUENCES:
        return kind in PLAIN_TYPES or (kind is float and isfinite(value))
    for item in value:
        if type(item) not in PLAIN_TYPES and not is_plain(item, levels - 1):
            return False
    return levels > 0


def _has_only_scalars(items: Iterable[Any]) -> bool:
    for item in items:  # noqa: SIM110  # `all` takes longer
        if type(item) not in PLAIN_TYPES and not (type(item) is float and isfinite(item)):
            return False
    return True


class PlainCopy:
    """Makes copies that msgspec encodes without loss. A container of plain scalars is not copied.

    Args:
        max_depth: the deepest nesting of a copy. A container that is nested deeper, or contains itself, becomes its
            Python representation.
        canonical: sort sets, and write texts as in canonical JSON.
        check_texts: also look for what msgspec refuses: texts, integers, keys, and times with a faulty time zone.

    Attributes:
        checks_texts: the argument `check_texts`.
        is_certain: whether all parts of the copies are known to be JSON with numbers that PostgreSQL can store.
    """

    def __init__(self, max_depth: int = MAX_DEPTH, *, canonical: bool = False, check_texts: bool = False) -> None:
        self.is_certain = True
        self._max_depth = max_depth
        self._canonical = canonical
        self.checks_texts = check_texts
        self._plain_types: set[Any] = {bool, type(None)} if check_texts else set(PLAIN_TYPES)
        self._converters: dict[type, Callable[[Any], Any]] = {}
        self._open: set[int] = set()

    def of(self, value: Any) -> Any:
        """Return a copy of the value.

        Raises:
            RecursionError: only `dump_lossy` encodes this value.
        """
        kind = type(value)
        return value if kind in self._plain_types else (self._converters.get(kind) or self._converter(kind))(value)

    def _converter(self, kind: type) -> Callable[[Any], Any]:
        """Return the function that copies the objects of a type that is not plain."""
        if kind is dict or kind in _SEQUENCES:
            convert: Callable[[Any], Any] = self._of_container
        elif (number := number_type(kind)) is not None:
            convert = _of_float if number is float else number
        elif kind is Decimal:
            convert = _of_decimal
        elif kind is str:
            convert = self._of_text
        elif issubclass(kind, Enum):
            convert = self._of_member
            if not self.checks_texts and all(type(member.value) in (str, int) for member in kind):
                self._plain_types.add(kind)  # msgspec encodes the other members without this step
        elif kind.__module__.startswith("pathlib"):
            convert = self._of_path
        else:
            convert = _of_integer if kind is int else self._of_object
        self._converters[kind] = convert
        return convert

    def _of_container(self, value: Any) -> Any:
        kind, number, open_containers = type(value), id(value), self._open
        if number in open_containers or len(open_containers) >= self._max_depth:
            return {"$repr": safe_repr(value)}
        if not self.checks_texts and _has_only_scalars(value.values() if kind is dict else value):
            return value
        if self.checks_texts and not open_containers and not self._canonical and is_plain(value, self._max_depth):
            whole = escaped_json(value)
            if whole is not None:
                return whole
        open_containers.add(number)
        if kind is dict:
            copied = self._of_dict(value)
        elif self._canonical and kind in (set, frozenset):
            copied = self._of_items(sorted_items(value))
        else:
            copied = self._of_items(value)
        open_containers.discard(number)
        return copied

    # Of these two functions, the parts that run for each item are written out: a payload may have thousands of items.

    def _of_dict(self, value: dict[Any, Any]) -> Any:
        if len(value) > _MANY and (alike := self._of_alike_values(dict(value))) is not None:
            copied = alike
        else:
            types, converters = self._plain_types, self._converters
            copied = {
                key: item if (kind := type(item)) in types else (converters.get(kind) or self._converter(kind))(item)
                for key, item in value.items()
            }
        return self._with_safe_keys(copied) if self.checks_texts else copied

    def _of_alike_values(self, snapshot: dict[Any, Any]) -> dict[Any, Any] | None:
        copies = copy_alike(list(snapshot.values()))
        return None if copies is None else dict(zip(snapshot, copies, strict=True))

    def _of_items(self, items: Collection[Any]) -> Any:
        snapshot = list(items)  # another thread may change the container
        if snapshot and (alike := copy_alike(snapshot)) is not None:
            return alike
        types, converters = self._plain_types, self._converters
        return [
            item if (kind := type(item)) in types else (converters.get(kind) or self._converter(kind))(item)
            for item in snapshot
        ]

    def _with_safe_keys(self, value: dict[Any, Any]) -> Any:
        if {str}.issuperset(map(type, value)) and all(map(str.isascii, value)):
            return value
        named = {key_text(key): item for key, item in value.items()}
        if not any(map(LONE_SURROGATE.search, named)):
            return named
        # msgspec refuses the key, and a key cannot be replaced by its JSON text. So the whole object is.
        items = sorted(named.items(), key=itemgetter(0)) if self._canonical else named.items()
        dump = dump_sorted if self._canonical else dump_fast
        texts = [dump_text(key, canonical=self._canonical).encode() + b":" + dump(item) for key, item in items]
        return msgspec.Raw(b"{" + b",".join(texts) + b"}")

    def _of_text(self, text: str) -> Any:
        if text.isascii() or not LONE_SURROGATE.search(text):
            return text
        return escaped_text(text)

    def _of_member(self, member: Enum) -> Any:
        return self.of(member.value)

    def _of_path(self, path: object) -> Any:
        return self.of(str(path))

    def _of_object(self, value: Any) -> Any:
        kind = type(value)
        try:
            if issubclass(kind, Decimal):
                return _of_decimal(value)
            if kind is msgspec.Raw:
                self.is_certain = False
                return value
            simpler = dict(value) if issubclass(kind, Mapping) else to_builtins(value)
        except RecursionError:
            raise
        except Exception as error:  # noqa: BLE001  # any access to an agent's object may raise
            reraise_from_signal_handler(error)
            return self._of_refused(value)
        return self.of(simpler)

    def _of_refused(self, value: Any) -> Any:
        """Return what is encoded for an object that `to_builtins` refuses; msgspec may still encode it."""
        try:
            text = dump_fast(value)
        except Exception as error:  # noqa: BLE001
            reraise_from_signal_handler(error)
            return {"$repr": safe_repr(value)}
        if may_hide_numbers(text):
            return {"$repr": safe_repr(value)}
        self.is_certain = False
        return msgspec.Raw(text)


def _of_float(value: Any) -> Any:
    """Return a float of Python or numpy as a float; NaN and infinities as their representation."""
    number = float(value)
    return number if isfinite(number) else {"$repr": repr(number)}


def _of_decimal(value: Decimal) -> Any:
    if type(value) is Decimal and (plain := plain_decimal(value)):
        return plain
    return value if fits_numeric(value) else {"$repr": safe_repr(value)}


def _of_integer(value: int) -> Any:
    if -_SAFE_INTEGER < value < _SAFE_INTEGER:
        return value
    try:
        str(value)
    except ValueError:
        return {"$repr": safe_repr(value)}
    return value
