"""The canonical JSON text of a value: equal values have equal texts.

A prompt that is not text, such as a list of chat messages, is stored as this text.
"""

from typing import Any

import msgspec

from agent_runs.codec.json_scan import MAX_DEPTH, too_deep
from agent_runs.codec.lossy_json import dump_lossy, dump_sorted
from agent_runs.codec.plain_values import PlainCopy, is_plain
from agent_runs.signal_safety import reraise_from_signal_handler


def text_of(value: Any) -> str:
    """Return a string unchanged, and any other value as its canonical JSON."""
    return value if issubclass(type(value), str) else canonical_json(value)


def canonical_json(value: Any) -> str:
    """Return a value as JSON without white space, with the keys of each object in the order of their code points.

    Numbers have the shortest form that gives the same number. A character is escaped only if JSON requires it, or if
    it is a lone surrogate. What JSON cannot express becomes `{"$repr": "…"}`, as in a payload. Never raises.
    """
    try:
        if is_plain(value, MAX_DEPTH):
            return dump_sorted(value).decode()
        return _dump_copy(value, PlainCopy(MAX_DEPTH - 1, canonical=True))
    except Exception as error:  # noqa: BLE001  # msgspec refuses some values, and an agent's objects may raise anything
        reraise_from_signal_handler(error)
    try:
        return _dump_copy(value, PlainCopy(MAX_DEPTH - 1, canonical=True, check_texts=True))
    except Exception as error:  # noqa: BLE001  # as above
        reraise_from_signal_handler(error)
        return dump_lossy(value, canonical=True)


def _dump_copy(value: Any, plain: PlainCopy) -> str:
    text = dump_sorted(plain.of(value))
    if not plain.is_certain:
        if too_deep(text):
            return dump_lossy(value, canonical=True)
        msgspec.json.decode(text, type=msgspec.Raw)  # raises if an object's own encoding is not JSON
    return text.decode()
