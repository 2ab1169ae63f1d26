"""Recorded answers: a copy for each call, and whether an answer is what the model or the tool returned."""

import marshal
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import msgspec

from agent_runs.events import Input
from agent_runs.replay.canonical import parse_json
from agent_runs.replay.units import Answer

_LOSSY: Final = {"$repr"}
_MASKED: Final = "[masked: "


def own_copy(value: Any) -> Any:
    """Return a copy of a JSON value: what the agent changes in it must not be in the next answer."""
    if not isinstance(value, dict | list):
        return value
    try:  # in C, without recursion in Python
        return marshal.loads(marshal.dumps(value))  # noqa: S302  # its own bytes
    except ValueError:  # a Decimal, for a number that float cannot hold
        return deepcopy(value)


def own_input(event: Input) -> Input:
    """Return a copy of an input, with a copy of its data."""
    copied = msgspec.structs.replace(event, data=own_copy(event.data))
    copied.__dict__.update(event.__dict__)
    return copied


def is_exact(answer: Answer | None) -> bool:
    """Whether no part of an answer or error is masked, or stands for an object that JSON cannot express."""
    if answer is None:
        return True
    if answer.error is not None:
        return not _is_lossy(answer.error)
    value = answer.value
    if isinstance(value, str) and '{"$repr":' in value:  # the answer of a model is text
        value = parse_json(value) or value
    if not isinstance(value, dict | list):
        return not _is_lossy(value)
    return not any(_is_lossy(part) for part in _parts(value))


def _is_lossy(part: Any) -> bool:
    if isinstance(part, str):
        return part.startswith(_MASKED)
    return isinstance(part, dict) and part.keys() == _LOSSY


def _parts(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
