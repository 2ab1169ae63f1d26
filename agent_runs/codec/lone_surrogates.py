"""Encodes values whose texts may have lone surrogates, which msgspec refuses, with the encoder of `json`."""

import json
from typing import Any, Final

import msgspec

from agent_runs.signal_safety import reraise_from_signal_handler

_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def escaped_text(text: str) -> msgspec.Raw:
    """Return a text as JSON; a lone surrogate becomes its escape."""
    return msgspec.Raw(_encode(text).encode("utf-8", "backslashreplace"))


def escaped_json(value: Any) -> msgspec.Raw | None:
    """Return a value as JSON, as `escaped_text` does; None if it has types that JSON does not have, such as bytes.

    Args:
        value: for which `is_plain` is True.
    """
    try:
        return msgspec.Raw(_encode(value).encode("utf-8", "backslashreplace"))
    except Exception as error:  # noqa: BLE001  # another thread may change the value meanwhile
        reraise_from_signal_handler(error)
        return None
