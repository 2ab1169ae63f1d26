"""The library of Agent Runs: publishes events to Kafka, and encodes and decodes messages.

`import agent_runs` imports no Kafka client and starts no thread. The first emitted event starts the delivery thread,
which imports aiokafka. Nothing imports a PostgreSQL client.

May import: cli, codec, emitter, replay, pytest.
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
    LlmFailed,
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
from agent_runs.questions import Question
from agent_runs.status import RunState, RunStatus, fold, open_questions

if TYPE_CHECKING:
    from agent_runs.emitter import Emitter, Run, current_run, tool

    __version__: str

_FROM_EMITTER = ("Emitter", "Run", "current_run", "tool")

__all__ = [
    "AgentRunsError",
    "ContextAssembled",
    "Emitter",
    "Event",
    "EventsDropped",
    "Input",
    "InvalidEvent",
    "LlmCalled",
    "LlmFailed",
    "NotJson",
    "Question",
    "Run",
    "RunCompleted",
    "RunEvent",
    "RunFailed",
    "RunResumed",
    "RunStarted",
    "RunState",
    "RunStatus",
    "RunWaiting",
    "SettingsError",
    "ToolFailed",
    "ToolRequested",
    "ToolSucceeded",
    "UnknownEvent",
    "UnreadableEvent",
    "__version__",
    "current_run",
    "decode_event",
    "encode_event",
    "fold",
    "new_id",
    "open_questions",
    "tool",
]


def __getattr__(name: str) -> Any:
    """Import the emitter on first access (PEP 562), so that decoding alone does not load it."""
    if name in _FROM_EMITTER:
        from agent_runs import emitter  # noqa: PLC0415

        return getattr(emitter, name)
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        return version("agent-runs")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, those included that are imported on first access."""
    return sorted({name for name in globals() if name.startswith("__")} | {*__all__})
