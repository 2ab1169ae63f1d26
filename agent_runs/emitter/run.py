"""A run, from the agent's side: a method for each type of event, named like it."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from agent_runs.emitter.never_raise import harmless
from agent_runs.emitter.pipeline import Channel, SilentChannel, key_of
from agent_runs.emitter.tool_call import ToolCall, in_words
from agent_runs.events import (
    ContextAssembled,
    EventsDropped,
    Input,
    Json,
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
)
from agent_runs.ids import new_id
from agent_runs.status import RunStatus, next_status


def _another_id(_: "Run") -> str:
    return new_id()


def _say_nothing(*_: object, **__: object) -> tuple[str, bool]:
    return new_id(), False


class Run:
    """One run of one agent, for any thread or task.

    Every method returns the id of its event, at once, whatever becomes of it. `parent` is the id of the event that led
    to this one; by default the last event of this object that was accepted.

    As a context (`with`, `async with`) it ends the run: as completed, unless the run waits or has ended by itself; on
    an exception as failed, and the exception goes on.

    Attributes:
        id: the run's id, the key of its records.
        session_id: what its children inherit.
    """

    def __init__(self, channel: Channel | SilentChannel, run_id: str, session_id: str | None = None) -> None:
        self.id = run_id
        self.session_id = session_id
        self._channel = channel
        self._key = key_of(run_id)
        self._last_event_id: str | None = None
        self._status = RunStatus.RUNNING
        self._is_told = True

    def _say(self, event_class: Callable[..., RunEvent], parent: str | None, **fields: Any) -> tuple[str, bool]:
        """Emit an event of this class. Its id, and whether it was accepted."""
        parent = self._last_event_id if parent is None else parent
        event = event_class(id=new_id(), parent_event_id=parent, timestamp=datetime.now(UTC), **fields)
        accepted = self._channel.put(self._key, event)
        if accepted:
            self._last_event_id = event.id
        status = next_status(self._status, event.type, fields.get("tool_name"))
        if status is not self._status:
            self._status, self._is_told = status, accepted
        return event.id, accepted

    def _misused(self, method: str, error: Exception) -> None:
        self._channel.misused(self._key, f"run.{method}", error)

    def __repr__(self) -> str:
        return f"<Run {self.id!r}>"

    # --- the types of the contract ---

    @harmless(_another_id)
    def input(self, tool: str, data: Json = None, *, parent: str | None = None) -> str:
        """What woke the agent.

        `tool` is one of `message_from_user`, `awake_from_system`, `system_message`, `tool_result`, `human_response`.
        """
        return self._say(Input, parent, tool=tool, data=data)[0]

    @harmless(_another_id)
    def context_assembled(self, context: Json, *, parent: str | None = None) -> str:
        """What the agent knew when it decided."""
        return self._say(ContextAssembled, parent, context=context)[0]

    @harmless(_another_id)
    def llm_called(
        self, *, model: str, system_prompt: str, user_prompt: str, raw_response: str, parent: str | None = None
    ) -> str:
        """The exact prompt and the exact answer."""
        prompt = {"system_prompt": system_prompt, "user_prompt": user_prompt}
        return self._say(LlmCalled, parent, model=model, **prompt, raw_response=raw_response)[0]

    @harmless(_another_id)
    def tool_requested(self, tool_name: str, tool_args: Json = None, *, parent: str | None = None) -> str:
        """The agent asks for a tool to be called. `tool` does this and the next two at once."""
        return self._say(ToolRequested, parent, tool_name=tool_name, tool_args=tool_args)[0]

    @harmless(_another_id)
    def tool_succeeded(self, tool_name: str, result: Json = None, *, parent: str | None = None) -> str:
        """A tool answered."""
        return self._say(ToolSucceeded, parent, tool_name=tool_name, result=result)[0]

    @harmless(_another_id)
    def tool_failed(self, tool_name: str, error: str | BaseException, *, parent: str | None = None) -> str:
        """A tool did not answer, or not with a result."""
        return self._say(ToolFailed, parent, tool_name=tool_name, error=in_words(error))[0]

    @harmless(_another_id)
    def run_started(
        self,
        *,
        agent_id: str,
        session_id: str | None = None,
        parent_run_id: str | None = None,
        parent: str | None = None,
    ) -> str:
        """The facts of the run; the first one counts. `Emitter.start_run` says this by itself."""
        facts = {"agent_id": agent_id, "session_id": session_id, "parent_run_id": parent_run_id}
        return self._say(RunStarted, parent, **facts)[0]

    @harmless(_another_id)
    def run_waiting(self, reason: str | None = None, *, parent: str | None = None) -> str:
        """The run is paused until somebody or something answers."""
        return self._say(RunWaiting, parent, reason=reason)[0]

    @harmless(_another_id)
    def run_resumed(self, reason: str | None = None, *, parent: str | None = None) -> str:
        """The run goes on, whether it waited or had ended."""
        return self._say(RunResumed, parent, reason=reason)[0]

    @harmless(_another_id)
    def run_completed(self, result: Json = None, *, parent: str | None = None) -> str:
        """The run reached its end."""
        return self._say(RunCompleted, parent, result=result)[0]

    @harmless(_another_id)
    def run_failed(self, error: str | BaseException, *, parent: str | None = None) -> str:
        """The run ended without reaching its goal."""
        return self._say(RunFailed, parent, error=in_words(error))[0]

    @harmless(_another_id)
    def events_dropped(self, count: int, reason: str | None = None, *, parent: str | None = None) -> str:
        """So many events are missing here, for a reason of the agent's own; the emitter records its own."""
        return self._say(EventsDropped, parent, count=count, reason=reason)[0]

    # --- several events in one ---

    @harmless(lambda self: ToolCall(_say_nothing, self._misused, {}, None))
    def tool(self, tool_name: str, tool_args: Json = None, *, parent: str | None = None) -> ToolCall:
        """A tool call as a context: `with run.tool("search", {"q": "tea"}) as call: call.result = search("tea")`."""
        return ToolCall(self._say, self._misused, {"tool_name": tool_name, "tool_args": tool_args}, parent)

    @harmless(lambda self: Run(self._channel, new_id(), self.session_id))
    def child(self, *, agent_id: str, run_id: str | None = None) -> "Run":
        """Start a run that this one spawns: this one is its parent, and their session the same."""
        child = Run(self._channel, new_id() if run_id is None else run_id, self.session_id)
        child.run_started(agent_id=agent_id, session_id=self.session_id, parent_run_id=self.id)
        return child

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.run_failed(error)
        elif self._status is RunStatus.RUNNING or (self._status is RunStatus.COMPLETED and not self._is_told):
            self.run_completed()
        elif self._status is RunStatus.FAILED and not self._is_told:
            self.run_failed("[the error was dropped]")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
