"""`render`: the history of a run as text, the context of the next model call of an agent that is a reducer over it."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from agent_runs.event_items import events_of
from agent_runs.events import EVENT_CLASSES, Event, UnknownEvent
from agent_runs.replay.yaml_text import yaml_text

# These repeat what is in other events, or are facts about the run and not about its task.
AUDIT_ONLY: Final = frozenset({"run_started", "context_assembled", "llm_called", "llm_failed"})
_UNKNOWN: Final = "event"  # the tag of events of a type that this version does not know
_LEFT_OUT: Final = "left_out"
_TAGS: Final = (*EVENT_CLASSES, _UNKNOWN, _LEFT_OUT)
# A tag in the content of an event must not look like one of `render`. Such a `<` can only be in a text.
_looks_like_tag = re.compile(rf"</?(?:{'|'.join(_TAGS)})\b").search
_COMMON: Final = frozenset({*Event.__struct_fields__, "type", "role", "labels"})

Size = Callable[[str], int]


def utf8_bytes(text: str) -> int:
    """Return the size of a text in UTF-8."""
    return len(text.encode(errors="surrogatepass"))


def render(
    events: Iterable[Any],
    *,
    budget: int | None = None,
    size: Size = utf8_bytes,
    leave_out: Collection[str] = AUDIT_ONLY,
) -> str:
    """Return the history of a run as text: one tag for each event, with its content as YAML.

    If the text exceeds the budget, the first input and the newest events are kept. In place of the others there is a
    tag `left_out`, which says how many events of which types are missing. An event that alone needs more than half of
    the budget is cut, and says so. The result depends on the arguments only.

    Args:
        events: the events of a run in order: typed events, or objects with the attribute `event`, such as
            `StoredEvent`.
        budget: the largest size of the result; None: there is no limit.
        size: returns the size of a text, for example in tokens; by default in bytes.
        leave_out: the types of events that are not shown; by default those that are for audit only.

    Raises:
        ValueError: the budget is too small for a single cut event.
    """
    shown = [event for event in events_of(events) if event.type not in leave_out]
    texts = [_tag(event) for event in shown]
    whole = "\n".join(texts)
    if budget is None or size(whole) <= budget:
        return whole
    texts = [_cut(event, text, budget // 2, size) for event, text in zip(shown, texts, strict=True)]
    first_input = next((number for number, event in enumerate(shown) if event.type == "input"), None)
    newest = _first_that_fits(texts, budget, size)
    for kept in ({first_input}, set[int | None]()):  # without the first input, if it leaves no place for the newest
        for start in range(newest, len(texts)):
            result = _joined(shown, texts, {*kept, *range(start, len(texts))})
            if size(result) <= budget:
                return result
    raise ValueError(f"budget={budget} is too small: the newest event, cut, needs {size(texts[-1])}, and the note more")


def _first_that_fits(texts: list[str], budget: int, size: Size) -> int:
    """Return the number of the oldest event that fits into the budget together with all newer ones."""
    used = 0
    for number in range(len(texts) - 1, -1, -1):
        used += size(texts[number])
        if used > budget:
            return number + 1
    return 0


def _joined(shown: list[Any], texts: list[str], kept: set[int | None]) -> str:
    """Return the texts of the kept events; in place of each sequence of others, how many are left out."""
    parts: list[str] = []
    missing: Counter[str] = Counter()
    for number, (event, text) in enumerate(zip(shown, texts, strict=True)):
        if number not in kept:
            missing[event.type] += 1
            continue
        parts += _note(missing)
        missing.clear()
        parts.append(text)
    return "\n".join([*parts, *_note(missing)])


def _note(missing: Counter[str]) -> list[str]:
    if not missing:
        return []
    body = {"events": missing.total(), "types": dict(missing), "reason": "the context has no space for them"}
    return [_in_tag(_LEFT_OUT, body)]


def _tag(event: Any) -> str:
    return _in_tag(_tag_name(event), _content(event))


def _tag_name(event: Any) -> str:
    return event.type if type(event) in EVENT_CLASSES.values() else _UNKNOWN


def _in_tag(name: str, body: dict[str, Any]) -> str:
    return f"<{name}>\n{yaml_text(body, _looks_like_tag)}\n</{name}>" if body else f"<{name}/>"


def _cut(event: Any, text: str, limit: int, size: Size) -> str:
    """Return the text of an event; its begin, with a note, if it is larger than the limit."""
    if size(text) <= limit:
        return text
    body = yaml_text(_content(event))

    def cut_at(length: int) -> str:
        note = f"{len(body) - length} of {len(body)} characters of this event"
        return _in_tag(_tag_name(event), {_LEFT_OUT: note, "begin": body[:length]})

    longest = bisect_right(range(len(body)), limit, key=lambda length: size(cut_at(length))) - 1
    return cut_at(max(longest, 0))


def _content(event: Any) -> dict[str, Any]:
    """Return what the event says: the fields of its type that are set."""
    if isinstance(event, UnknownEvent):
        fields = {name: value for name, value in sorted(event.message.items()) if name not in _COMMON}
        return {"type": event.type, **fields}
    if not isinstance(event, Event):  # an `OpaqueEvent`
        return {"type": event.type, "cannot be decoded": event.error}
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name not in _COMMON}
    return {name: value for name, value in fields.items() if value is not None}
