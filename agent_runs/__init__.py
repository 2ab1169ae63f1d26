"""The library of Agent Runs: publishes the events of LLM agents to Kafka, and decodes them.

`import agent_runs` imports no Kafka or PostgreSQL client and starts no thread; the emitter does that when it is used.

May import: codec, emitter, pytest.
"""

from typing import TYPE_CHECKING, Any

from agent_runs.codec.decode import decode_event
from agent_runs.codec.encode import encode_event
from agent_runs.errors import AgentRunsError, InvalidEvent, NotJson, SettingsError, UnreadableEvent
from agent_runs.events import (
    ContextAssembled,
    Event,
    EventsDropped,
    Input,
    LlmCalled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunResumed,
    RunStarted,
    RunWaiting,
    ToolFailed,
    ToolRequested,
    ToolSucceeded,
    UnknownEvent,
)
from agent_runs.ids import new_id
from agent_runs.status import RunStatus, next_status

if TYPE_CHECKING:
    from agent_runs.emitter import Emitter, Run

__all__ = [
    "AgentRunsError",
    "ContextAssembled",
    "Emitter",
    "Event",
    "EventsDropped",
    "Input",
    "InvalidEvent",
    "LlmCalled",
    "NotJson",
    "Run",
    "RunCompleted",
    "RunEvent",
    "RunFailed",
    "RunResumed",
    "RunStarted",
    "RunStatus",
    "RunWaiting",
    "SettingsError",
    "ToolFailed",
    "ToolRequested",
    "ToolSucceeded",
    "UnknownEvent",
    "UnreadableEvent",
    "decode_event",
    "encode_event",
    "new_id",
    "next_status",
]


def __getattr__(name: str) -> Any:
    """Import `Emitter` and `Run` on first access (PEP 562), so that decoding alone does not load the emitter."""
    if name in ("Emitter", "Run"):
        from agent_runs import emitter  # noqa: PLC0415

        return getattr(emitter, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
