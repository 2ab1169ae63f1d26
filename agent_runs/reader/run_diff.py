"""Aligns the events of two runs by what was asked, and compares those that belong together."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from agent_runs.codec import strict_json
from agent_runs.codec.canonical_json import canonical_json
from agent_runs.events import Input, LlmCalled, LlmFailed, ToolFailed, ToolRequested, ToolSucceeded
from agent_runs.reader.alignment import opcodes
from agent_runs.reader.prompt_diff import Change, text_changes, value_changes
from agent_runs.reader.stored_events import StoredEvent

# Fields that differ between any two runs.
IGNORED_FIELDS: Final = frozenset({"id", "parent_event_id", "timestamp", "duration_ms", "call_id", "session_id"})

_Key = tuple[str, ...]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two events of two runs that belong together, or one that has no counterpart.

    Attributes:
        before: the event of the first run; None if it has none.
        after: the event of the second run; None if it has none.
        changes: the differences between the messages, without `IGNORED_FIELDS`.
    """

    before: StoredEvent | None
    after: StoredEvent | None
    changes: list[Change] = []

    @property
    def is_equal(self) -> bool:
        """Whether both runs have the event, without a difference."""
        return self.before is not None and self.after is not None and not self.changes


def compare_runs(before: Sequence[StoredEvent], after: Sequence[StoredEvent]) -> list[Pair]:
    """Return the events of two runs side by side.

    Events with the same request belong together: the same prompts of a model, the same arguments of a tool, the answer
    to the same request. Between them, events of the same kind and tool belong together, in their order.

    Args:
        before: all events of the first run, in order.
        after: all events of the second run, in order.
    """
    old, new = _requests(before), _requests(after)
    pairs: list[Pair] = []
    for kind, from_old, to_old, from_new, to_new in opcodes(old, new):
        if kind == "equal":
            pairs += _paired(before[from_old:to_old], after[from_new:to_new])
        else:
            pairs += _similar(before[from_old:to_old], after[from_new:to_new])
    return pairs


def _similar(before: Sequence[StoredEvent], after: Sequence[StoredEvent]) -> Iterator[Pair]:
    """Pair events of the same kind; the others have no counterpart."""
    for kind, from_old, to_old, from_new, to_new in opcodes(list(map(_kind, before)), list(map(_kind, after))):
        old, new = before[from_old:to_old], after[from_new:to_new]
        if kind == "equal":
            yield from _paired(old, new)
        else:
            yield from (Pair(before=event, after=None) for event in old)
            yield from (Pair(before=None, after=event) for event in new)


def _paired(before: Sequence[StoredEvent], after: Sequence[StoredEvent]) -> Iterator[Pair]:
    for old, new in zip(before, after, strict=True):
        yield Pair(before=old, after=new, changes=list(_changes(_content(old), _content(new))))


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for name in {**before, **after}:
        one, other = before.get(name), after.get(name)
        if isinstance(one, str) and isinstance(other, str) and ("\n" in one + other or other[:1] in ("{", "[")):
            yield from text_changes(one, other, [name])
        else:
            yield from value_changes({name: one} if name in before else {}, {name: other} if name in after else {}, [])


def _content(stored: StoredEvent) -> dict[str, Any]:
    """Return the fields of the message that can be compared between two runs."""
    try:
        message = strict_json.parse(stored.event.original or b"{}")
    except ValueError:
        return {"message": repr(stored.event.original)}
    return {name: value for name, value in message.items() if name not in IGNORED_FIELDS}


def _kind(stored: StoredEvent) -> _Key:
    """Return what kind of event it is: a call of a model, a request or an answer of a tool, an input, or its type."""
    match stored.event:
        case LlmCalled() | LlmFailed():
            return ("llm",)
        case ToolRequested() as event:
            return ("request", event.tool_name)
        case ToolSucceeded() | ToolFailed() as event:
            return ("answer", event.tool_name)
        case Input() as event:
            return ("input", event.tool)
    return (stored.type,)


def _requests(events: Sequence[StoredEvent]) -> list[_Key]:
    """Return what each event asks; for an answer, what the request asked."""
    keys: list[_Key] = []
    by_id: dict[str, _Key] = {}
    for stored in events:
        event = stored.event
        key = _kind(stored)
        match event:
            case LlmCalled() | LlmFailed():
                key = (*key, event.model, event.system_prompt, event.user_prompt)
            case ToolRequested():
                key = by_id[event.id] = (*key, canonical_json(event.tool_args))
            case ToolSucceeded() | ToolFailed():
                key = (*key, *by_id.get(event.parent_event_id or "", ()))
            case Input():
                key = (*key, canonical_json(event.data))
        keys.append(key)
    return keys
