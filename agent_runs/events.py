"""The message contract: one struct for each type of RunEvent.

The fields of a struct are the fields of the JSON object in the record's value; its tag is the `type`.
`schema/run_event.schema.json` is generated from this module, descriptions included.
"""

from typing import Final, get_args

from msgspec import UNSET

from agent_runs.event_base import Count, Event, Id, Json, Labels, Role

__all__ = [
    "EVENT_CLASSES",
    "ContextAssembled",
    "Event",
    "EventsDropped",
    "Input",
    "Json",
    "LlmCalled",
    "LlmFailed",
    "RunCompleted",
    "RunEvent",
    "RunFailed",
    "RunResumed",
    "RunStarted",
    "RunWaiting",
    "ToolFailed",
    "ToolRequested",
    "ToolSucceeded",
    "UnknownEvent",
]


class Input(Event, frozen=True, tag="input"):
    """A stimulus that starts the agent or lets it continue.

    The run is `running` after it; but a `human_response` answers one open question, and a waiting run waits for the
    answers to the others.

    Attributes:
        tool: the kind of stimulus: `message_from_user`, `awake_from_system`, `system_message`, `tool_result` or
            `human_response`. Any other string is accepted too.
        data: the content of the stimulus, such as the user's message.
    """

    tool: str
    data: Json


class ContextAssembled(Event, frozen=True, tag="context_assembled"):
    """The context on which the agent bases its next step. For audit: it does not change the status.

    Attributes:
        context: memories, available tools, or whatever else the agent assembled.
    """

    context: Json


class LlmCalled(Event, frozen=True, tag="llm_called"):
    """One call of a language model: the exact prompt and the exact answer. For audit: it does not change the status.

    Attributes:
        model: the name of the model.
        system_prompt: the exact system prompt.
        user_prompt: the exact user prompt.
        raw_response: the exact answer of the model, before the agent parses it.
    """

    model: str
    system_prompt: str
    user_prompt: str
    raw_response: str


class LlmFailed(Event, frozen=True, tag="llm_failed"):
    """A call of a language model that returned no answer. For audit: it does not change the status.

    Attributes:
        model: the name of the model.
        system_prompt: the exact system prompt.
        user_prompt: the exact user prompt.
        error: what went wrong, as text.
    """

    model: str
    system_prompt: str
    user_prompt: str
    error: str


class ToolRequested(Event, frozen=True, tag="tool_requested"):
    """The agent requests a call of a tool. A request of a waiting tool is a question: the run waits for its answer.

    Waiting tools are `ask_human`, `spawn_agent`, and tools with the role `waits`.

    Attributes:
        tool_name: the name of the tool.
        tool_args: the arguments of the call.
        role: `waits` or `finishes`, for a tool that has this role in spite of its name; other values have no meaning.
    """

    tool_name: str
    tool_args: Json
    role: Role = UNSET


class ToolSucceeded(Event, frozen=True, tag="tool_succeeded"):
    """A tool returned a result.

    A result of a terminal tool completes a run that has not ended; these are `respond_to_user`, `done`, and tools with
    the role `finishes`. A result of a waiting tool is the answer to its question. The run continues after the last one.

    Attributes:
        tool_name: the name of the tool.
        result: what the tool returned.
        role: as for `tool_requested`.
    """

    tool_name: str
    result: Json
    role: Role = UNSET


class ToolFailed(Event, frozen=True, tag="tool_failed"):
    """A tool call failed, or returned nothing in time.

    A failure of a waiting tool is an answer too.

    Attributes:
        tool_name: the name of the tool.
        error: what went wrong, as text.
        role: as for `tool_requested`.
    """

    tool_name: str
    error: str
    role: Role = UNSET


class RunStarted(Event, frozen=True, tag="run_started"):
    """The facts about a run: its agent, session and parent. The first one of a run counts; later ones change nothing.

    Attributes:
        agent_id: the agent that executes the run.
        session_id: the conversation that the run belongs to.
        parent_run_id: the run that spawned this one.
        labels: names and values to find the run by, such as the version of the agent; at most 32.
    """

    agent_id: Id
    session_id: Id | None = None
    parent_run_id: Id | None = None
    labels: Labels | None = None


class RunWaiting(Event, frozen=True, tag="run_waiting"):
    """The run pauses until it receives an answer.

    Attributes:
        reason: what the run waits for.
    """

    reason: str | None = None


class RunResumed(Event, frozen=True, tag="run_resumed"):
    """The run continues, whether it was waiting or had ended.

    Attributes:
        reason: why the run continues.
    """

    reason: str | None = None


class RunCompleted(Event, frozen=True, tag="run_completed"):
    """The run ended successfully.

    Attributes:
        result: the result of the run.
    """

    result: Json = None


class RunFailed(Event, frozen=True, tag="run_failed"):
    """The run ended without success. After a result of a terminal tool the run is failed too.

    Attributes:
        error: what went wrong, as text.
    """

    error: str


class EventsDropped(Event, frozen=True, tag="events_dropped"):
    """The producer reports that events of this run are missing at this point because it dropped them.

    Attributes:
        count: how many events the producer dropped, from 1 to 2,147,483,647.
        reason: why the producer dropped them, such as `queue_full`.
        types: how many of them had each type; events whose type is not known are not included.
        detail: the reason in words, of the first of them.
    """

    count: Count
    reason: str | None = None
    types: dict[str, Count] | None = None
    detail: str | None = None


class UnknownEvent(Event, frozen=True):
    """An event of a type that is not part of this version's contract. The service stores it; it changes no status.

    Attributes:
        name: the message's `type`.
        message: the whole message as Python objects.
    """

    name: Id
    message: dict[str, Json]

    @property
    def type(self) -> str:
        """The message's `type`, the same as `name`."""
        return self.name

    def _own_fields(self) -> tuple[str, ...]:
        return Event.__struct_fields__


RunEvent = (
    Input
    | ContextAssembled
    | LlmCalled
    | LlmFailed
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
