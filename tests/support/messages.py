"""Messages to publish, and short ways to build them."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

COMMON = {"parent_event_id": None, "timestamp": "2026-01-31T12:00:00.5+00:00"}
MINIMAL: Mapping[str, Mapping[str, object]] = {
    "input": {"tool": "message_from_user", "data": None},
    "run_started": {"agent_id": "agent"},
    "tool_requested": {"tool_name": "search", "tool_args": None},
    "events_dropped": {"count": 1},
}

Headers = Sequence[tuple[str, bytes | None]]


class Message(NamedTuple):
    """A message for a producer.

    Attributes:
        partition: None lets the producer choose by the key's hash.
        timestamp_ms: counts only in a topic with CreateTime; None is now.
        label: describes the message in a test's output; it is not published.
    """

    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Headers = ()
    timestamp_ms: int | None = None
    label: str = ""


def event(event_id: str, kind: str = "input", **fields: object) -> bytes:
    """Return the value of an event; it is valid unless `fields` make it invalid."""
    return json.dumps({"type": kind, "id": event_id, **COMMON, **MINIMAL.get(kind, {}), **fields}).encode()


def event_with_literal(event_id: str, data: bytes) -> bytes:
    """Return an `input` event whose `data` is exactly this JSON text."""
    return event(event_id, data="DATA").replace(b'"DATA"', data)


def events_of(run_id: str, *event_ids: str, partition: int = 0) -> list[Message]:
    """Return one valid event of a run for each id."""
    return [Message(run_id.encode(), event(event_id), partition) for event_id in event_ids]
