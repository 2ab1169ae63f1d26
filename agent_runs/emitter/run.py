"""A run, as the agent uses it: one method for each event type of the contract, with the name of the type."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from agent_runs.codec.canonical_json import text_of
from agent_runs.emitter.disabled_pipeline import DisabledPipeline
from agent_runs.emitter.event_chain import EventChain
from agent_runs.emitter.never_raise import error_type, format_error, never_raise
from agent_runs.emitter.pipeline import Pipeline
from agent_runs.emitter.tool_call import ToolCall
from agent_runs.events import (
    ContextAssembled,
    EventsDropped,
    Input,
    Json,
    LlmCalled,
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
from agent_runs.status import RunStatus

# Further fields of an event by name.
Extra = Mapping[str, Json] | None


def _unused_id(_: "Run") -> str:
    return new_id()


class Run:
    """One run of one agent. Threads and tasks may share it.

    The method of an event type emits one event and returns the event's id, without waiting for Kafka. No method raises:
    a dropped event has an id too, and `Emitter.stats` counts it. Payloads (`Json`) may be any value; they are encoded
    during the call. `parent` is the id of the event that led to this one, by default the last accepted event of this
    object. Further keywords, and the mapping `extra`, are further fields of the event.

    As a context manager (`with`, `async with`) it ends the run: with `run_failed` if the block raises an exception,
    which propagates; otherwise with `run_completed`, unless the run waits or has ended already.

    Attributes:
        id: the run's id, the key of its Kafka records.
        session_id: the session that children of this run inherit.
    """

    def __init__(self, pipeline: Pipeline | DisabledPipeline, run_id: str, session_id: str | None = None) -> None:
        self.id = run_id
        self.session_id = session_id
        self._pipeline = pipeline
        self._chain = EventChain(pipeline, run_id)

    def _count_misuse(self, method: str, error: Exception) -> None:
        self._chain.count_misuse(f"run.{method}", error)

    def __repr__(self) -> str:
        return f"<Run {self.id!r}>"

    # --- the event types of the contract ---

    @never_raise(_unused_id)
    def input(
        self, /, tool: str, data: Json = None, *, parent: str | None = None, extra: Extra = None, **further: Json
    ) -> str:
        """Record the stimulus that starts the agent or lets it continue.

        `tool` is the kind of stimulus: `message_from_user`, `awake_from_system`, `system_message`, `tool_result`,
        `human_response`, or any other string. `data` is its content.
        """
        return self._chain.emit(Input, parent, extra, further, tool=tool, data=data)[0]

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
        """Record the exact prompts and the exact response of a model; a value that is no text as its canonical JSON."""
        texts = {"system_prompt": system_prompt, "user_prompt": user_prompt, "raw_response": raw_response}
        fields = {name: text_of(value) for name, value in texts.items()}
        return self._chain.emit(LlmCalled, parent, extra, further, model=model, **fields)[0]

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
    def run_started(
        self,
        /,
        *,
        agent_id: str,
        session_id: str | None = None,
        parent_run_id: str | None = None,
        parent: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> str:
        """Record the agent, session and parent run, as `Emitter.start_run` does. A run's first `run_started` counts."""
        fields = {"agent_id": agent_id, "session_id": session_id, "parent_run_id": parent_run_id}
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
    def events_dropped(
        self,
        /,
        count: int,
        reason: str | None = None,
        *,
        parent: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> str:
        """Record that the agent itself left out `count` events here. The emitter records the events that it drops."""
        return self._chain.emit(EventsDropped, parent, extra, further, count=count, reason=reason)[0]

    # --- several events in one call ---

    @never_raise(lambda self: ToolCall(EventChain(DisabledPipeline(), self.id), {}, None, None, {}))
    def tool(
        self,
        /,
        tool_name: str,
        tool_args: Json = None,
        *,
        parent: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> ToolCall:
        """Make a context manager for a tool call: `with run.tool("search", {"q": "tea"}) as call: call.result = …`.

        The further fields are those of the request; a `call_id` is also a field of the answer.
        """
        request = {"tool_name": tool_name, "tool_args": tool_args}
        return ToolCall(self._chain, request, parent, extra, further)

    @never_raise(lambda self: Run(self._pipeline, new_id(), self.session_id))
    def child(self, /, *, agent_id: str, run_id: str | None = None, extra: Extra = None, **further: Json) -> "Run":
        """Start a run with this one as its parent, in the same session; `run_id` is its id, by default a new one."""
        child = Run(self._pipeline, new_id() if run_id is None else run_id, self.session_id)
        own = {"agent_id": agent_id, "session_id": self.session_id, "parent_run_id": self.id}
        child._chain.emit(RunStarted, None, extra, further, **own)
        return child

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        chain = self._chain
        if error is not None:
            self.run_failed(error)
        elif chain.status is RunStatus.RUNNING or (chain.status is RunStatus.COMPLETED and not chain.status_accepted):
            self.run_completed()
        elif chain.status is RunStatus.FAILED and not chain.status_accepted:
            self.run_failed("[the error was dropped]")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
