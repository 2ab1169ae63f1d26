"""The first difference between two values, by its path."""

from typing import Any

from agent_runs.codec.canonical_json import text_of
from agent_runs.replay.canonical import parse_json, value_key
from agent_runs.replay.requests import Request, shortened
from agent_runs.replay.units import Unit

_CONTEXT = 30  # characters before the first different one


def first_difference(recorded: Any, asked: Any, path: str = "") -> str | None:
    """Return where two values differ first, and how, as in `at city: recorded "Rome", asked "Paris"`.

    None if they are equal. Two texts that are JSON objects or arrays are compared as JSON.
    """
    if isinstance(recorded, str) and isinstance(asked, str):
        as_json = parse_json(recorded), parse_json(asked)
        if None not in as_json:
            return first_difference(*as_json, path=path)
        return None if recorded == asked else _at(path) + _of_texts(recorded, asked)
    if isinstance(recorded, dict) and isinstance(asked, dict):
        return _of_objects(recorded, asked, path)
    if isinstance(recorded, list) and isinstance(asked, list):
        return _of_lists(recorded, asked, path)
    if value_key(recorded) == value_key(asked):
        return None
    return f"{_at(path)}recorded {_shown(recorded)}, asked {_shown(asked)}"


def difference_of_calls(unit: Unit, request: Request) -> str:
    """Return the first difference between a recorded call and one of the agent."""
    if unit.name != request.sought_name:
        return f"recorded the model {unit.name!r}, asked {request.name!r}"
    return first_difference(unit.content, request.content) or "none"


def _of_objects(recorded: dict[str, Any], asked: dict[str, Any], path: str) -> str | None:
    for name in dict.fromkeys((*recorded, *asked)):
        inner = f"{path}.{name}" if path else str(name)
        if name not in asked:
            return f"{_at(inner)}recorded {_shown(recorded[name])}, asked without it"
        if name not in recorded:
            return f"{_at(inner)}recorded without it, asked {_shown(asked[name])}"
        if found := first_difference(recorded[name], asked[name], inner):
            return found
    return None


def _of_lists(recorded: list[Any], asked: list[Any], path: str) -> str | None:
    for index, (left, right) in enumerate(zip(recorded, asked, strict=False)):
        if found := first_difference(left, right, f"{path}[{index}]"):
            return found
    if len(recorded) == len(asked):
        return None
    return f"{_at(path)}recorded {len(recorded)} items, asked {len(asked)}"


def _of_texts(recorded: str, asked: str) -> str:
    at = _first_different(recorded, asked)
    if max(len(recorded), len(asked)) <= 2 * _CONTEXT:
        return f"recorded {text_of_json(recorded)}, asked {text_of_json(asked)}"
    shown = [_around(text, at) for text in (recorded, asked)]
    return f"recorded {shown[0]}, asked {shown[1]}, from character {at} on"


def _first_different(left: str, right: str) -> int:
    """Return the position of the first different character: by comparing slices, because prompts may have megabytes."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _around(text: str, at: int) -> str:
    """Return the part of a text around a character, as a JSON string."""
    start, end = max(0, at - _CONTEXT), at + _CONTEXT
    return text_of_json(f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}")


def text_of_json(text: str) -> str:
    """Return a text as a JSON string, so that line breaks are visible."""
    return text_of([text])[1:-1]


def _at(path: str) -> str:
    return f"at {path}: " if path else ""


def _shown(value: Any) -> str:
    return shortened(text_of([value])[1:-1])
