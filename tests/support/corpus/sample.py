"""A sample of the corpus, and the functions that build its value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tests.support.messages import Headers, Message

Fields: TypeAlias = dict[str, object]

STORED = None  # in place of a reason


@dataclass(frozen=True)
class Sample:
    """One kind of record and its expected outcome.

    Attributes:
        reason: why it is rejected; STORED if it is not.
        value: makes the value for an event id, so that samples under one key do not conflict.
        key: makes the key for a run id.
    """

    name: str
    reason: str | None
    value: Callable[[str], bytes | None]
    key: Callable[[bytes], bytes | None] = lambda run_id: run_id
    headers: Headers = ()

    def message(self, run_id: bytes, event_id: str) -> Message:
        return Message(self.key(run_id), self.value(event_id), headers=self.headers, label=self.name)


VALID_FIELDS: Mapping[str, Fields] = {
    "input": {"tool": "message_from_user", "data": {"text": "hello"}},
    "context_assembled": {"context": [{"role": "user"}]},
    "llm_called": {"model": "m", "system_prompt": "s", "user_prompt": "u", "raw_response": "r"},
    "llm_failed": {"model": "m", "system_prompt": "s", "user_prompt": "u", "error": "timeout"},
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
    "llm_failed": ("model", "system_prompt", "user_prompt", "error"),
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


def valid_event(kind: str, event_id: str, /, **changes: object) -> Fields:
    """The fields of a valid event, with changes."""
    common = {"type": kind, "id": event_id, "parent_event_id": None, "timestamp": "2026-03-01T12:00:00.5Z"}
    return common | VALID_FIELDS.get(kind, {}) | changes


def encode(fields: object) -> bytes:
    return json.dumps(fields).encode()


def with_fields(kind: str = "input", /, **changes: object) -> Callable[[str], bytes]:
    """An event with these fields, which replace or extend those of a valid one."""
    return lambda event_id: encode(valid_event(kind, event_id, **changes))


def with_literal(literal: str, kind: str = "input", name: str = "data") -> Callable[[str], bytes]:
    """An event with a field that is exactly this JSON text."""
    return lambda event_id: encode(valid_event(kind, event_id, **{name: "@"})).replace(b'"@"', literal.encode(), 1)


def without_field(kind: str, name: str) -> Callable[[str], bytes]:
    """An event that lacks one field."""
    return lambda event_id: encode({key: value for key, value in valid_event(kind, event_id).items() if key != name})


def wrapped(before: bytes, after: bytes = b"") -> Callable[[str], bytes]:
    """A valid event between other bytes."""
    return lambda event_id: before + encode(valid_event("input", event_id)) + after


def exactly(value: bytes | None) -> Callable[[str], bytes | None]:
    """This value, whatever the event id."""
    return lambda event_id: value
