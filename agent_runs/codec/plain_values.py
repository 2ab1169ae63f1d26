"""Finds and replaces the values of a payload that msgspec cannot encode without loss.

msgspec writes a NaN as null and refuses some values, such as a lone surrogate. A payload that has a few such values is
nearly all plain. They are replaced, and msgspec encodes the rest. `dump_lossy` takes thirty times as long, because it
takes a step in Python for each value.
"""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

import msgspec

from agent_runs.codec.json_scan import MAX_DEPTH
from agent_runs.codec.lossy_json import (
    LONE_SURROGATE,
    dump_fast,
    dump_sorted,
    dump_text,
    fits_numeric,
    key_text,
    may_hide_numbers,
    safe_repr,
    sorted_items,
    to_builtins,
)
from agent_runs.signal_safety import reraise_from_signal_handler

PLAIN_TYPES: Final = frozenset({str, int, bool, type(None)})
_SAFE_INTEGER: Final = 2**64  # Python refuses to convert an integer of more than 4,300 digits to text


def is_plain(value: Any, levels: int) -> bool:
    """Whether the value consists of JSON's own types and finite numbers, nested at most `levels` deep.

    This runs for every event. The loop calls the function only for items that are not scalars, which takes a third of
    the time of a call for every item.
    """
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind in PLAIN_TYPES or (kind is float and math.isfinite(value))
    for item in value:
        if type(item) not in PLAIN_TYPES and not is_plain(item, levels - 1):
            return False
    return levels > 0


def _has_only_scalars(items: Iterable[Any]) -> bool:
    for item in items:
        if type(item) not in PLAIN_TYPES and not (type(item) is float and math.isfinite(item)):
            return False
    return True


class PlainCopy:
    """Makes copies that msgspec encodes without loss. Containers that need no replacement are not copied.

    Args:
        max_depth: the deepest nesting of a copy. A container that is nested deeper, or contains itself, becomes its
            Python representation.
        canonical: sort sets, and write texts as in canonical JSON.
        check_texts: also look for texts and integers that msgspec refuses.

    Attributes:
        is_certain: whether all parts of the copies are known to be JSON with numbers that PostgreSQL can store.
    """

    def __init__(self, max_depth: int = MAX_DEPTH, *, canonical: bool = False, check_texts: bool = False) -> None:
        self.is_certain = True
        self._max_depth = max_depth
        self._canonical = canonical
        self._check_texts = check_texts
        self._plain_types = frozenset({bool, type(None)}) if check_texts else PLAIN_TYPES
        self._open: set[int] = set()

    def of(self, value: Any) -> Any:
        """Return a copy of the value.

        Raises:
            RecursionError: only `dump_lossy` encodes this value.
        """
        kind = type(value)
        if kind is float:
            return value if math.isfinite(value) else {"$repr": repr(value)}
        if kind in self._plain_types:
            return value
        if kind in (dict, list, tuple, set, frozenset):
            return self._of_container(value, kind)
        if kind is str:
            return self._of_text(value)
        if kind is int:
            return _of_integer(value)
        return self._of_object(value, kind)

    def _of_container(self, value: Any, kind: type) -> Any:
        if id(value) in self._open or len(self._open) >= self._max_depth:
            return {"$repr": safe_repr(value)}
        self._open.add(id(value))
        if self._canonical and kind in (set, frozenset):
            value, kind = sorted_items(value), list
        replaced = self._replaced(value.items() if kind is dict else enumerate(value))
        self._open.discard(id(value))
        if kind is dict:
            copied = {**value, **replaced} if replaced else value
            return self._with_safe_keys(copied) if self._check_texts else copied
        return [replaced.get(index, item) for index, item in enumerate(value)] if replaced else value

    def _replaced(self, items: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
        """Return the items that have a replacement. The loop calls a function only for items that may have one."""
        replaced = {}
        plain_types, is_finite = self._plain_types, math.isfinite
        can_skip = not self._check_texts and len(self._open) < self._max_depth
        for key, item in items:
            kind = type(item)
            if (
                kind in plain_types
                or (kind is float and is_finite(item))
                or (kind is str and item.isascii())
                or (kind is int and -_SAFE_INTEGER < item < _SAFE_INTEGER)
            ):
                continue
            if kind is dict or kind is list:
                if can_skip and _has_only_scalars(item.values() if kind is dict else item):
                    continue
                copied = self._of_container(item, kind)
            else:
                copied = self.of(item)
            if copied is not item:
                replaced[key] = copied
        return replaced

    def _with_safe_keys(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str and key.isascii() for key in value):
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
        return msgspec.Raw(dump_text(text, canonical=self._canonical).encode())

    def _of_object(self, value: Any, kind: type) -> Any:
        try:
            if issubclass(kind, Decimal):
                return value if fits_numeric(value) else {"$repr": safe_repr(value)}
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


def _of_integer(value: int) -> Any:
    try:
        str(value)
    except ValueError:
        return {"$repr": safe_repr(value)}
    return value
