"""The emitter, as the agent uses it.

No call raises. Only `flush`, `close`, and an emit while the process ends wait for Kafka.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Never, ParamSpec, Self, TypeVar, Unpack

from agent_runs.emitter.active_runs import innermost_run
from agent_runs.emitter.decorators import RunRecorder, name_of
from agent_runs.emitter.disabled_pipeline import DisabledPipeline
from agent_runs.emitter.event_methods import Extra
from agent_runs.emitter.fork_and_exit import current_process
from agent_runs.emitter.further_fields import add_further_fields
from agent_runs.emitter.history import read_history
from agent_runs.emitter.instrument import instrument
from agent_runs.emitter.never_raise import never_raise
from agent_runs.emitter.open_pipeline import open_pipeline
from agent_runs.emitter.pickling import Shared, set_origin
from agent_runs.emitter.pipeline import Pipeline
from agent_runs.emitter.recorded_answers import RecordedAnswers, active_recording, add_run_fields
from agent_runs.emitter.records import record_key
from agent_runs.emitter.redaction import Mask
from agent_runs.emitter.run import Run, unstarted_run
from agent_runs.emitter.settings import Options
from agent_runs.emitter.stats import Stats
from agent_runs.emitter.tool_roles import read_tool_roles
from agent_runs.events import Json, RunEvent, UnknownEvent
from agent_runs.ids import new_id

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _unstarted_run(self: "Emitter", keywords: Mapping[str, Any]) -> Run:
    recording = keywords.get("recording")
    return unstarted_run(self._pipeline, active_recording() if recording is None else recording)


class Emitter(Shared):
    """Publishes the events of runs. A process needs one; threads, tasks and forked children may share it.

    Settings come from the environment (`KAFKA_BOOTSTRAP_SERVERS`, `AGENT_RUNS_TOPIC`, …). Arguments with the names of
    `Options` take precedence. Settings that are not valid raise nothing. One error is logged; numbers have their
    defaults, and because of any other setting every event is dropped and counted as `not_configured`.

    As a context manager (`with`, `async with`) the emitter is closed at the end of the block.

    Args:
        mask: called for each content field before the event is encoded, with the name of the field, such as
            `llm_called.user_prompt`, and its value. The result is sent. If the mask raises, a placeholder is sent.
        waiting_tools: the names of further tools whose requests are questions: the run waits for their answer, as for
            that of `ask_human`. The events of these tools have the field `role`.
        finishing_tools: the names of further tools whose results complete the run, as that of `respond_to_user` does.
        environ: the mapping to read settings from; `os.environ` by default.
        options: settings.
    """

    # `*positional` catches wrong calls: they are reported as invalid settings, not as TypeError.
    def __init__(
        self,
        *positional: Never,
        mask: Mask | None = None,
        waiting_tools: Iterable[str] = (),
        finishing_tools: Iterable[str] = (),
        environ: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> None:
        # Not as the default argument: `help(Emitter)` would print the whole environment.
        environ = os.environ if environ is None else environ
        given = {**dict.fromkeys(map(repr, positional)), **options}
        self._pipeline = self._open_pipeline(mask, environ, given)
        self._pipeline.roles = read_tool_roles(waiting_tools, finishing_tools)
        set_origin(self._pipeline, type(self), mask, given)

    def _open_pipeline(
        self, mask: Mask | None, environ: Mapping[str, str], options: Mapping[str, object], /
    ) -> Pipeline | DisabledPipeline:
        """Open the pipeline to Kafka. `RecordingEmitter` overrides this method."""
        return open_pipeline(mask, environ, options)

    @never_raise(_unstarted_run)
    def start_run(  # noqa: PLR0913  # the fields of the event
        self,
        /,
        *,
        agent_id: str,
        session_id: str | None = None,
        parent_run_id: str | None = None,
        run_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        recording: RecordedAnswers | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> Run:
        """Start a run and emit its `run_started`.

        Args:
            agent_id: which agent runs.
            session_id: groups runs, for example of one conversation.
            parent_run_id: the run that started this one; see also `Run.child`.
            run_id: the id of the run, 1 to 255 bytes of UTF-8; by default a new 12-character id.
            labels: names and values to find the run by, such as `{"version": "1.4"}`; at most 32.
            recording: a past run that answers the calls of this one; by default that of the block `with recording:`.
            extra: further fields of the `run_started`, by name.
            further: further fields of the `run_started`.
        """
        run = Run(self._pipeline, new_id() if run_id is None else run_id, session_id)
        run.answer_from(active_recording() if recording is None else recording)
        if run.recording is not None:
            labels, further = add_run_fields(run.recording, labels, further)
        further = {"session_id": session_id, "parent_run_id": parent_run_id, **further}
        run.run_started(agent_id=agent_id, labels=labels, extra=extra, **further)
        return run

    @never_raise(_unstarted_run)
    def run(
        self,
        /,
        run_id: str,
        *,
        session_id: str | None = None,
        history: Any = None,
        recording: RecordedAnswers | None = None,
    ) -> Run:
        """Continue a run that was started before or in another process. Emits nothing itself.

        With `history`, the events of the run so far or a reader of them, the run continues from its last event, status
        and open questions; see `read_history`. `recording` is as for `start_run`.
        """
        run = Run(self._pipeline, run_id, session_id)
        run.answer_from(active_recording() if recording is None else recording)
        return run if history is None else run.continue_after(read_history(run_id, history))

    def agent(
        self,
        agent_id: str | Callable[..., Any] | None = None,
        /,
        *,
        input: str | None = None,  # the name of the event
        session_id: str | None = None,
        session_argument: str | None = None,
        extra: Extra = None,
        **further: Json,
    ) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
        """Decorate a function so that each call of it is a run of an agent: `@emitter.agent("scheduler")`.

        The function may be a coroutine function or a generator function. `current_run()` returns the run in its body.
        The run ends with the call, as at the end of `with run:`; the result of `run_completed` is what the function
        returns, or the items of a generator. A call inside a run is a child of that run, and is published by its
        emitter; so tests can call the function inside a run of a `RecordingEmitter`.

        Args:
            agent_id: which agent runs; by default the name of the function.
            input: also emit an `input` event of this kind, such as `message_from_user`, with the arguments of the call.
            session_id: as for `start_run`; a child has the session of its parent.
            session_argument: the name of the function's argument that holds the session id, in place of `session_id`.
            extra: further fields of the `run_started`, by name.
            further: further fields of the `run_started`.
        """

        def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
            name = agent_id if agent_id and not callable(agent_id) else name_of(function)
            return instrument(function, partial(start, name))

        def start(name: str, arguments: dict[str, Json]) -> RunRecorder:
            session = arguments.get(session_argument) if session_argument else session_id
            run = self._start_agent({"agent_id": name, "session_id": session}, extra, further)
            if input is not None:
                run.input(input, arguments)
            return RunRecorder(run)

        # `@emitter.agent` without parentheses passes the function.
        return decorate(agent_id) if callable(agent_id) else decorate

    @never_raise(_unstarted_run)
    def _start_agent(self, /, own: dict[str, Any], extra: Extra, further: Mapping[str, Json]) -> Run:
        outer = innermost_run()
        if outer is None:
            return self.start_run(**own, extra=extra, **further)
        return outer.child(agent_id=own["agent_id"], extra=extra, **further)

    @never_raise(lambda *_: new_id())
    def emit(self, /, run_id: str, event: RunEvent | UnknownEvent, *, extra: Extra = None, **further: Json) -> str:
        """Emit an event that the caller has constructed or decoded, with further fields. Returns the event's id."""
        further_fields: dict[str, Json] | None = None
        if further or extra is not None:
            on_rename = partial(self._pipeline.log_rename, event.type)
            event, further_fields = add_further_fields(event, extra, further, on_rename)
        self._pipeline.put(current_process(), record_key(run_id), event, further_fields)
        return event.id

    def flush(self, timeout_s: float | None = None) -> int:
        """Wait until Kafka has acknowledged, or the emitter has dropped, all events emitted before this call.

        Blocks the calling thread. In asyncio code use `await asyncio.to_thread(emitter.flush)`.

        Args:
            timeout_s: the longest wait in seconds; by default the setting `exit_timeout_s`.

        Returns:
            The number of these events that are neither acknowledged nor dropped.
        """
        return self._pipeline.flush(timeout_s)

    def close(self, timeout_s: float | None = None) -> int:
        """Refuse new events, wait until the pending ones are acknowledged or dropped, and end the emitter's thread.

        Blocks the calling thread. In asyncio code use `async with`, or `await asyncio.to_thread(emitter.close)`.

        Args:
            timeout_s: the longest wait in seconds; by default the setting `exit_timeout_s`.

        Returns:
            The number of events that were still pending: neither acknowledged nor dropped. They are dropped now, and
            counted as `given_up`. In a signal handler that has interrupted an emit, they are sent in the background
            instead.
        """
        return self._pipeline.close(timeout_s)

    def stats(self) -> Stats:
        """Return the counts of the events emitted in this process so far."""
        return self._pipeline.stats()

    def _count_misuse(self, method: str, error: Exception) -> None:
        self._pipeline.count_misuse(None, f"emitter.{method}", None, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Agents that use asyncio have loaded it already; other agents need not load it.
        import asyncio  # noqa: PLC0415

        await asyncio.to_thread(self.close)
