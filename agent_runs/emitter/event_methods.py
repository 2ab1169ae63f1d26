"""The methods of a run that emit one event each: one for each event type of the contract, with the name of the type."""

from collections.abc import Mapping
from typing import Any

from agent_runs.codec.canonical_json import text_of
from agent_runs.emitter.event_chain import EventChain
from agent_runs.emitter.never_raise import error_type, format_error, never_raise
from agent_runs.emitter.pickling import Shared
from agent_runs.events import (
    EVENT_CLASSES,
    ContextAssembled,
    EventsDropped,
    Input,
    Json,
    LlmCalled,
    LlmFailed,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunStarted,
    RunWaiting,
    ToolFailed,
    ToolRequested,
    ToolSucceeded,
)
from agent_runs.ids import new_id

# Further fields of an event by name.
Extra = Mapping[str, Json] | None


def _unused_id(*_: Any) -> str:
    return new_id()


class EventMethods(Shared):
    """The base class of `Run`.

    A method emits one event and returns the event's id, without waiting for Kafka. No method raises: a dropped event
    has an id too, and `Emitter.stats` counts it. Payloads (`Json`) may be any value; they are encoded during the call.
    `parent` is the id of the event that led to this one. Further keywords, and the mapping `extra`, are further fields
    of the event.
    """

    def __init__(self, chain: EventChain) -> None:
        self._chain = chain

    def _count_misuse(self, method: str, error: Exception) -> None:
        self._chain.count_misuse(f"run.{method}", method if method in EVENT_CLASSES else None, error)

    @never_raise(_unused_id)
    def input(
        self, /, tool: str, data: Json = None, *, parent: str | None = None, extra: Extra = None, **further: Json
    ) -> str:
        """Record the stimulus that starts the agent or lets it continue.

        `tool` is the kind of stimulus: `message_from_user`, `awake_from_system`, `system_message`, `tool_result`,
        `human_response`, or any other string. `data` is its content.
        """
        event_id = self._chain.emit(Input, parent, extra, further, tool=tool, data=data)[0]
        if self._chain.recording is not None:
            self._chain.recording.saw_input(tool, data)
        return event_id

    @never_raise(_unused_id)
    def context_assembled(
        self, /, context: Json, *, parent: str | None = None, extra: Extra = None, **further: Json
    ) -> str:
        """Record the context on which the agent bases its next step."""
        return self._chain.emit(ContextAssembled, parent, extra, further, context=context)[0]

    @never_raise(_unused_id)
    def llm_called(  # noqa: PLR0913  # the fields of the event
        self,
        /,
        *,
        model: str,
        system_prompt: Json = "",
        user_prompt: Json,
        raw_response: Json,
        parent: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> str:
        """Record the exact prompts and response of a model; a value that is not text as its canonical JSON."""
        texts = {"system_prompt": system_prompt, "user_prompt": user_prompt, "raw_response": raw_response}
        fields = {name: text_of(value) for name, value in texts.items()}
        return self._chain.emit(LlmCalled, parent, extra, further, model=model, **fields)[0]

    @never_raise(_unused_id)
    def llm_failed(  # noqa: PLR0913  # the fields of the event
        self,
        /,
        *,
        model: str,
        system_prompt: Json = "",
        user_prompt: Json,
        error: str | BaseException,
        parent: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> str:
        """Record a call of a model that returned no answer, with a text or the exception."""
        fields = {"system_prompt": text_of(system_prompt), "user_prompt": text_of(user_prompt)}
        failure = format_error(error)
        return self._chain.emit(
            LlmFailed, parent, extra, further, error_type(error), model=model, **fields, error=failure
        )[0]

    @never_raise(_unused_id)
    def tool_requested(
        self,
        /,
        tool_name: str,
        tool_args: Json = None,
        *,
        parent: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> str:
        """Record that the agent requested a tool call. `tool` emits this event and the tool's answer."""
        return self._chain.emit(ToolRequested, parent, extra, further, tool_name=tool_name, tool_args=tool_args)[0]

    @never_raise(_unused_id)
    def tool_succeeded(
        self, /, tool_name: str, result: Json = None, *, parent: str | None = None, extra: Extra = None, **further: Json
    ) -> str:
        """Record the result of a tool call."""
        return self._chain.emit(ToolSucceeded, parent, extra, further, tool_name=tool_name, result=result)[0]

    @never_raise(_unused_id)
    def tool_failed(
        self,
        /,
        tool_name: str,
        error: str | BaseException,
        *,
        parent: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> str:
        """Record that a tool call failed, with a text or the exception."""
        fields = {"tool_name": tool_name, "error": format_error(error)}
        return self._chain.emit(ToolFailed, parent, extra, further, error_type(error), **fields)[0]

    @never_raise(_unused_id)
    def run_started(  # noqa: PLR0913  # the fields of the event
        self,
        /,
        *,
        agent_id: str,
        session_id: str | None = None,
        parent_run_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        parent: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> str:
        """Record the facts of the run, as `Emitter.start_run` does. A run's first `run_started` counts.

        Labels that the contract does not allow are left out, and a warning is logged.
        """
        fields: dict[str, Any] = {"agent_id": agent_id, "session_id": session_id, "parent_run_id": parent_run_id}
        fields["labels"] = self._chain.usable_labels(labels)
        return self._chain.emit(RunStarted, parent, extra, further, **fields)[0]

    @never_raise(_unused_id)
    def run_waiting(
        self, /, reason: str | None = None, *, parent: str | None = None, extra: Extra = None, **further: Json
    ) -> str:
        """Record that the run is paused until it gets an answer."""
        return self._chain.emit(RunWaiting, parent, extra, further, reason=reason)[0]

    @never_raise(_unused_id)
    def run_resumed(
        self, /, reason: str | None = None, *, parent: str | None = None, extra: Extra = None, **further: Json
    ) -> str:
        """Record that the run continues after it waited or had ended."""
        return self._chain.emit(RunResumed, parent, extra, further, reason=reason)[0]

    @never_raise(_unused_id)
    def run_completed(
        self, /, result: Json = None, *, parent: str | None = None, extra: Extra = None, **further: Json
    ) -> str:
        """Record that the run has ended successfully, with its result."""
        return self._chain.emit(RunCompleted, parent, extra, further, result=result)[0]

    @never_raise(_unused_id)
    def run_failed(
        self, /, error: str | BaseException, *, parent: str | None = None, extra: Extra = None, **further: Json
    ) -> str:
        """Record that the run has ended without success, with a text or the exception."""
        return self._chain.emit(RunFailed, parent, extra, further, error_type(error), error=format_error(error))[0]

    @never_raise(_unused_id)
    def events_dropped(  # noqa: PLR0913  # the fields of the event
        self,
        /,
        count: int,
        reason: str | None = None,
        *,
        types: Mapping[str, int] | None = None,
        detail: str | None = None,
        parent: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> str:
        """Record that the agent itself left out `count` events here. The emitter records the events that it drops."""
        fields = {"count": count, "reason": reason, "types": types, "detail": detail}
        return self._chain.emit(EventsDropped, parent, extra, further, **fields)[0]
