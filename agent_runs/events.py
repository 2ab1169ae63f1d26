"""The message contract: what an agent can say about a run.

One struct for each type of RunEvent; its fields are the fields of the JSON object that goes to the topic, and its
tag is the `type`. `schema/run_event.schema.json` is generated from this module.
"""

from datetime import datetime
from typing import Annotated, Any, Final, get_args

from msgspec import Meta, Struct

Id = Annotated[str, Meta(min_length=1, max_length=255, description="At most 255 bytes; no NUL, no lone surrogate.")]
# Any JSON value, null included. Readers get it as Python objects; the service never builds it.
Json = Any
Timestamp = Annotated[datetime, Meta(tz=True, description="RFC 3339, with its offset.")]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Event(Struct, kw_only=True, frozen=True, dict=True, tag_field="type"):
    """What all events have in common.

    Attributes:
        id: unique within its run.
        parent_event_id: the event of the same run that led to this one, if the agent says so.
        timestamp: when it happened, by the agent's clock; the order of a run is the topic's, not this.
    """

    id: Id
    parent_event_id: Id | None = None
    timestamp: Timestamp

    @property
    def type(self) -> str:
        """The event's `type` in the contract, such as `tool_requested`."""
        return str(self.__struct_config__.tag)

    @property
    def original(self) -> bytes | None:
        """The exact bytes that this event was decoded from; None if it was not decoded."""
        original: bytes | None = self.__dict__.get("original")
        return original


class Input(Event, frozen=True, tag="input"):
    """What woke the agent.

    `tool` is one of `message_from_user`, `awake_from_system`, `system_message`, `tool_result`, `human_response`.
    """

    tool: str
    data: Json


class ContextAssembled(Event, frozen=True, tag="context_assembled"):
    """What the agent knew when it decided. Audit only."""

    context: Json


class LlmCalled(Event, frozen=True, tag="llm_called"):
    """The exact prompt and the exact answer. Audit only."""

    model: str
    system_prompt: str
    user_prompt: str
    raw_response: str


class ToolRequested(Event, frozen=True, tag="tool_requested"):
    """The agent asks for a tool to be called."""

    tool_name: str
    tool_args: Json


class ToolSucceeded(Event, frozen=True, tag="tool_succeeded"):
    """A tool answered."""

    tool_name: str
    result: Json


class ToolFailed(Event, frozen=True, tag="tool_failed"):
    """A tool did not answer, or not with a result."""

    tool_name: str
    error: str


class RunStarted(Event, frozen=True, tag="run_started"):
    """The facts of a run's row; the first one of a run counts."""

    agent_id: Id
    session_id: Id | None = None
    parent_run_id: Id | None = None


class RunWaiting(Event, frozen=True, tag="run_waiting"):
    """The run is paused until somebody or something answers."""

    reason: str | None = None


class RunResumed(Event, frozen=True, tag="run_resumed"):
    """The run goes on, whether it waited or had ended."""

    reason: str | None = None


class RunCompleted(Event, frozen=True, tag="run_completed"):
    """The run reached its end."""

    result: Json = None


class RunFailed(Event, frozen=True, tag="run_failed"):
    """The run ended without reaching its goal."""

    error: str


class EventsDropped(Event, frozen=True, tag="events_dropped"):
    """The emitter's own admission that this run has a hole here: `count` events were dropped."""

    count: Count
    reason: str | None = None


class UnknownEvent(Event, frozen=True):
    """An event of a type that this version does not know: kept as it came, and of no effect on the status.

    Attributes:
        name: the message's `type`.
        message: the whole message, as Python objects.
    """

    name: Id
    message: dict[str, Json]

    @property
    def type(self) -> str:
        """The event's `type`, as the message has it."""
        return self.name


RunEvent = (
    Input
    | ContextAssembled
    | LlmCalled
    | ToolRequested
    | ToolSucceeded
    | ToolFailed
    | RunStarted
    | RunWaiting
    | RunResumed
    | RunCompleted
    | RunFailed
    | EventsDropped
)

EVENT_CLASSES: Final[dict[str, type[Event]]] = {str(cls.__struct_config__.tag): cls for cls in get_args(RunEvent)}
