"""One kind of record, what should become of it, and the makers that specimens are written with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Headers: TypeAlias = list[tuple[str, bytes | None]]
Fields: TypeAlias = dict[str, object]

STORED = None  # in place of a reason


@dataclass(frozen=True)
class Message:
    """What a producer is given."""

    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=list)
    label: str = ""


@dataclass(frozen=True)
class Specimen:
    """One kind of record. The value is made for an event id, so that specimens under one key don't collide."""

    name: str
    reason: str | None
    value: Callable[[str], bytes | None]
    key: Callable[[bytes], bytes | None] = lambda run_id: run_id
    headers: Headers = field(default_factory=list)

    def message(self, run_id: bytes, event_id: str) -> Message:
        return Message(self.key(run_id), self.value(event_id), self.headers, self.name)


SAMPLES: Mapping[str, Fields] = {
    "input": {"tool": "message_from_user", "data": {"text": "hello"}},
    "context_assembled": {"context": [{"role": "user"}]},
    "llm_called": {"model": "m", "system_prompt": "s", "user_prompt": "u", "raw_response": "r"},
    "tool_requested": {"tool_name": "search", "tool_args": {"q": "x"}},
    "tool_succeeded": {"tool_name": "search", "result": [1, 2]},
    "tool_failed": {"tool_name": "search", "error": "timeout"},
    "run_started": {"agent_id": "agent", "session_id": "session", "parent_run_id": None},
    "run_waiting": {"reason": "a person"},
    "run_resumed": {"reason": None},
    "run_completed": {"result": {"answer": 42}},
    "run_failed": {"error": "out of money"},
    "events_dropped": {"count": 3, "reason": "queue full"},
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "input": ("tool", "data"),
    "context_assembled": ("context",),
    "llm_called": ("model", "system_prompt", "user_prompt", "raw_response"),
    "tool_requested": ("tool_name", "tool_args"),
    "tool_succeeded": ("tool_name", "result"),
    "tool_failed": ("tool_name", "error"),
    "run_started": ("agent_id",),
    "run_failed": ("error",),
    "events_dropped": ("count",),
}
STRINGS: Mapping[str, tuple[str, ...]] = {
    "input": ("tool",),
    "llm_called": ("model", "system_prompt", "user_prompt", "raw_response"),
    "tool_requested": ("tool_name",),
    "tool_succeeded": ("tool_name",),
    "tool_failed": ("tool_name", "error"),
    "run_waiting": ("reason",),
    "run_resumed": ("reason",),
    "run_failed": ("error",),
    "events_dropped": ("reason",),
}


def fields_of(kind: str, event_id: str, /, **changes: object) -> Fields:
    """A valid event of a type, as a dict to change."""
    common = {"type": kind, "id": event_id, "parent_event_id": None, "timestamp": "2026-03-01T12:00:00.5Z"}
    return common | SAMPLES.get(kind, {}) | changes


def without(fields: Fields, name: str) -> Fields:
    return {key: value for key, value in fields.items() if key != name}


def spelled(fields: object) -> bytes:
    return json.dumps(fields).encode()


def holding(literal: str, kind: str = "input", name: str = "data") -> Callable[[str], bytes]:
    """A value whose field is spelled exactly so."""
    return lambda event_id: spelled(fields_of(kind, event_id, **{name: "@"})).replace(b'"@"', literal.encode(), 1)


def changed(kind: str = "input", /, **changes: object) -> Callable[[str], bytes]:
    return lambda event_id: spelled(fields_of(kind, event_id, **changes))


def lacking(kind: str, name: str) -> Callable[[str], bytes]:
    return lambda event_id: spelled(without(fields_of(kind, event_id), name))


def wrapped(before: bytes, after: bytes = b"") -> Callable[[str], bytes]:
    """A valid event between other bytes."""
    return lambda event_id: before + spelled(fields_of("input", event_id)) + after


def exactly(value: bytes | None) -> Callable[[str], bytes | None]:
    return lambda event_id: value
