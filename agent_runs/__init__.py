"""Publish what LLM agents do, and read it back: the library of Agent Runs.

`import agent_runs` loads neither a Kafka nor a PostgreSQL client; those come with the modules that need them.
"""

from agent_runs.decoding import decode_event
from agent_runs.encoding import encode_event
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

__all__ = [
    "AgentRunsError",
    "ContextAssembled",
    "Event",
    "EventsDropped",
    "Input",
    "InvalidEvent",
    "LlmCalled",
    "NotJson",
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
