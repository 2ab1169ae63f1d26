"""Messages, records and events for tests. The messages are written by hand, not derived from the code under test."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consumer.ingest.decoding import decode
from consumer.model.records import Event, Rejection

TIME = "2026-01-31T23:59:59Z"

# The required fields of each type, without the common ones.
MINIMAL: dict[str, dict[str, Any]] = {
    "input": {"tool": "message_from_user", "data": {"text": "hi"}},
    "context_assembled": {"context": []},
    "llm_called": {"model": "m", "system_prompt": "s", "user_prompt": "u", "raw_response": "r"},
    "llm_failed": {"model": "m", "system_prompt": "s", "user_prompt": "u", "error": "no"},
    "tool_requested": {"tool_name": "search", "tool_args": {}},
    "tool_succeeded": {"tool_name": "search", "result": 1},
    "tool_failed": {"tool_name": "search", "error": "no"},
    "run_started": {"agent_id": "planner"},
    "run_waiting": {},
    "run_resumed": {},
    "run_completed": {},
    "run_failed": {"error": "no"},
    "events_dropped": {"count": 1},
}


def message(event_type: str = "input", /, **fields: Any) -> bytes:
    """Return a message of this type with the required fields and `fields`, which replace or extend them."""
    common = {"type": event_type, "id": "e1", "timestamp": TIME}
    return json.dumps(common | MINIMAL.get(event_type, {}) | fields).encode()


def message_without(event_type: str, field: str) -> bytes:
    """Return a message of this type with the required fields but this one."""
    fields = json.loads(message(event_type))
    del fields[field]
    return json.dumps(fields).encode()


@dataclass
class FakeRecord:
    """A record as the Kafka client returns it."""

    partition: int = 0
    offset: int = 0
    timestamp: int = 1000
    key: bytes | None = b"r1"
    value: bytes | None = b""
    headers: Sequence[tuple[str, bytes | None]] = ()


def decoded(value: bytes | None, *, key: bytes | None = b"r1", timestamp: int = 1000) -> Event | Rejection:
    """Return what `decode` makes of a record with this value."""
    return decode(FakeRecord(key=key, value=value, timestamp=timestamp), 16 * 1024 * 1024)


def event(
    event_type: str = "input",
    *,
    run: str = "r1",
    partition: int = 0,
    offset: int = 0,
    timestamp: int = 1000,
    **fields: Any,
) -> Event:
    """Return a decoded event of this type; its id is `e<offset>` unless `fields` has one."""
    value = message(event_type, **{"id": f"e{offset}", **fields})
    item = decode(FakeRecord(partition, offset, timestamp, run.encode(), value), 16 * 1024 * 1024)
    assert isinstance(item, Event), item
    return item


def rejection(*, partition: int = 0, offset: int = 0) -> Rejection:
    """Return the rejection of a record whose value is not JSON."""
    item = decode(FakeRecord(partition, offset, value=b"{"), 1024)
    assert isinstance(item, Rejection)
    return item
