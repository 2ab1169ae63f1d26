"""A run, as the agent uses it: its events, its calls of models and tools as context managers, its child runs."""

from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from functools import partial
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from agent_runs.codec.canonical_json import text_of
from agent_runs.emitter.active_runs import call_in_context, enter, leave
from agent_runs.emitter.disabled_pipeline import DisabledPipeline
from agent_runs.emitter.event_chain import EventChain
from agent_runs.emitter.event_methods import EventMethods, Extra
from agent_runs.emitter.history import History
from agent_runs.emitter.llm_call import LlmCall
from agent_runs.emitter.never_raise import never_raise
from agent_runs.emitter.pipeline import Pipeline
from agent_runs.emitter.recorded_answers import (
    WRONG_CALL,
    WRONG_START,
    RecordedAnswers,
    RefusedCalls,
    add_run_fields,
    usable_recording,
)
from agent_runs.emitter.tool_call import ToolCall
from agent_runs.events import Json, RunStarted
from agent_runs.ids import new_id
from agent_runs.status import RunStatus

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _do_nothing(*_: Any, **__: Any) -> Any:
    return None


def _wrap_after(run: "Run", function: Callable[..., Any], last_event_id: str | None) -> Callable[..., Any]:
    """Return the result of `run.wrap(function)` in a context in which the last event of the run has this id."""
    context = copy_context()
    if last_event_id is not None:
        context.run(run._chain.set_last_event, last_event_id)  # noqa: SLF001
    return context.run(run.wrap, function)


_NO_TOOL: Final = {"tool_name": "", "tool_args": None}


def _unstarted_child(self: "Run", keywords: Mapping[str, Any]) -> "Run":
    recording = self.recording if keywords.get("recording") is None else keywords["recording"]
    return unstarted_run(self._pipeline, recording, self.session_id)


class Run(EventMethods):
    """One run of one agent. Threads and tasks may share it.

    It has one method for each event type, with the name of the type; see `EventMethods`. The default parent of an event
    is the last accepted event of the run in the same task or thread.

    As a context manager (`with`, `async with`) it ends the run: with `run_failed` if the block raises an exception,
    which propagates; otherwise with `run_completed`, unless the run waits or has ended already. Inside the block,
    `current_run()` returns this run.

    Attributes:
        id: the run's id, the key of its Kafka records.
        session_id: the session that children of this run inherit.
    """

    def __init__(self, pipeline: Pipeline | DisabledPipeline, run_id: str, session_id: str | None = None) -> None:
        self.id = run_id
        self.session_id = session_id
        self._pipeline = pipeline
        super().__init__(EventChain(pipeline, run_id))

    def continue_after(self, history: History) -> Self:
        """Continue the run after events that another process emitted. Returns this object."""
        self.session_id = history.session_id if self.session_id is None else self.session_id
        self._chain.continue_after(history)
        return self

    def answer_from(self, recording: RecordedAnswers | None) -> None:
        """Answer the calls of this run from a recording: those of `@tool` functions and of `call.answer(…)`."""
        self._chain.recording = usable_recording(recording)

    @property
    def recording(self) -> RecordedAnswers | None:
        """What answers the calls of this run; None if the agent makes them."""
        return self._chain.recording

    def _unrecorded_chain(self) -> EventChain:
        """Return the events of a call with wrong arguments: none. In a replay, the call is refused."""
        chain = EventChain(DisabledPipeline(), self.id)
        chain.recording = None if self._chain.recording is None else RefusedCalls(WRONG_CALL)
        return chain

    def __repr__(self) -> str:
        return f"<Run {self.id!r}>"

    # --- calls as context managers, and child runs ---

    @never_raise(lambda self, _: LlmCall(self._unrecorded_chain(), {}, None, None, {}))
    def llm(
        self,
        /,
        model: str,
        user_prompt: Json,
        system_prompt: Json = "",
        *,
        parent: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> LlmCall:
        """Make a context manager for a call of a model: `with run.llm("m", prompt) as call: call.raw_response = …`.

        Args:
            model: the name of the model.
            user_prompt: text, or any other value, such as a list of messages; stored as its canonical JSON.
            system_prompt: as `user_prompt`.
            parent: the id of the event that led to the call; by default the event before the block.
            extra: further fields of the event, by name.
            further: further fields of the event.
        """
        fields = {"model": model, "system_prompt": text_of(system_prompt), "user_prompt": text_of(user_prompt)}
        return LlmCall(self._chain, fields, parent, extra, further)

    @never_raise(lambda self, _: ToolCall(self._unrecorded_chain(), _NO_TOOL, None, None, {}))
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

        Args:
            tool_name: the name of the tool.
            tool_args: its arguments, any value.
            parent: the id of the event that led to the request; `EventMethods` describes the default.
            extra: further fields of the request, by name; a `call_id` is also a field of the answer.
            further: further fields of the request, as `extra`.
        """
        request = {"tool_name": tool_name, "tool_args": tool_args}
        return ToolCall(self._chain, request, parent, extra, further)

    @never_raise(_unstarted_child)
    def child(
        self,
        /,
        *,
        agent_id: str,
        run_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        recording: RecordedAnswers | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> "Run":
        """Start a run with this one as its parent, in the same session; `run_id` is its id, by default a new one.

        The child does not have the labels of this run. In a replay, `recording` answers its calls, by default that of
        its agent in `Recording.children`.
        """
        child = Run(self._pipeline, new_id() if run_id is None else run_id, self.session_id)
        if recording is None and self._chain.recording is not None:
            recording = self._chain.recording.child(agent_id)
        child.answer_from(recording)
        if child.recording is not None:
            labels, further = add_run_fields(child.recording, labels, further)
        own = {"agent_id": agent_id, "session_id": self.session_id, "parent_run_id": self.id}
        child._chain.emit(RunStarted, None, extra, further, **own, labels=child._chain.usable_labels(labels))
        return child

    @never_raise(lambda *_: _do_nothing)
    def wrap(self, function: Callable[_P, _R], /) -> Callable[_P, _R]:
        """Return a function that calls `function` as part of this run, in any thread: `pool.submit(run.wrap(work), 1)`.

        The function that is returned can be pickled if `function` can, so the pool may be one of processes.
        In the call, this run is the current one, and the default parent of its events is the last event before the call
        of `wrap`. The function may be a coroutine function.
        """
        context = copy_context()
        context.run(enter, self)
        return call_in_context(function, context, partial(self._pickle_wrapped, function, context))

    def _pickle_wrapped(self, function: Callable[..., Any], context: Context) -> tuple[Any, ...]:
        # A pool of processes pickles in a thread of its own, which has another context.
        return _wrap_after, (self, function, context.run(self._chain.default_parent))

    @never_raise(lambda *_: None)
    def end(self, /, error: BaseException | None = None, *, result: Json = None) -> None:
        """End the run: with `run_failed` if there is an error, otherwise with `run_completed` and the result.

        Without an error, a run that waits or has ended gets no further event.
        """
        chain = self._chain
        if error is not None:
            self.run_failed(error)
            return
        had_content = chain.status is not RunStatus.RUNNING or result is not None
        if chain.status is RunStatus.RUNNING:
            self.run_completed(result)
        # An end that was dropped, for example because it is too large, is replaced by one without its content.
        if chain.status is RunStatus.COMPLETED and had_content and not chain.status_accepted:
            self.run_completed()
        elif chain.status is RunStatus.FAILED and not chain.status_accepted:
            self.run_failed("[the error was dropped]")

    def __enter__(self) -> Self:
        enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        leave(self)
        self.end(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def unstarted_run(pipeline: Pipeline | DisabledPipeline, recording: Any, session_id: str | None = None) -> Run:
    """Return the run that a call with wrong arguments gets: it has no `run_started`. In a replay, it makes no call.

    Args:
        pipeline: publishes the events of the run.
        recording: what would answer the calls of the run; None if they are made.
        session_id: the session of the run.
    """
    run = Run(pipeline, new_id(), session_id)
    if recording is not None:
        run.answer_from(RefusedCalls(WRONG_START))
    return run
