"""`Recording`: answers the model calls and tool calls of an agent with those of a past run."""

import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping
from inspect import isawaitable
from threading import Lock
from typing import Any, Literal, Self

from agent_runs.codec.canonical_json import text_of
from agent_runs.emitter.decorators import name_of
from agent_runs.emitter.instrument import Recorder, instrument
from agent_runs.events import Input
from agent_runs.reader.run_source import RunSource
from agent_runs.replay.errors import Divergence, RecordingHasHoles, Unserved
from agent_runs.replay.loading import load_recording
from agent_runs.replay.messages import unserved_text
from agent_runs.replay.no_recording import NO_CHILD, NoRecording
from agent_runs.replay.origins import origin_fields
from agent_runs.replay.replay_block import ReplayBlock
from agent_runs.replay.report import Report
from agent_runs.replay.requests import Request
from agent_runs.replay.rules import Policy, ToolRule, Until, last_seq
from agent_runs.replay.serving import Live, Server
from agent_runs.replay.units import llm_key, read_units


class Recording(ReplayBlock):
    """Answers the calls of an agent from the events of a past run. Safe for threads and tasks; no call waits.

    It answers the calls of the runs that start in a block `with recording:`, and of those that are started with
    `recording=`.

    A call is answered by the first recorded call of the same kind, name and content that has not been served. Without
    `strict`, a model call whose prompts have changed is answered by the recorded call that comes next in its task, if
    there is exactly one, and is reported as drifted. A tool call is never answered by its position.

    Args:
        events: all events of one run in order, such as those of `Reader.get_run_events`, of `RecordingEmitter.events`,
            or of a run file. For the child runs of one agent: the events of one run after those of another.
        run_id: the id of the recorded run, for `run_fields`.
        strict: answer unchanged calls only; `finish` also requires that all recorded calls were made.
        until: the recorded run counts up to this place: the number of an event, the id of an event, or `NthLlmCall`.
            The first model call after it, and all later ones, call the real model. Tools keep their policy.
        on_miss: what happens with a call that is not recorded: `raise`, `error`, or a function of the `Request`.
        tools: the rules of single tools by name. Only here may `on_miss` be `live`.

    Attributes:
        children: the recordings that answer the child runs of the run, by the agent of the child.

    Raises:
        RecordingHasHoles: events of the run are missing, and the recording is strict. Otherwise they are warned about.
        ValueError: `on_miss` is none of these, or `until` is not in the run.
    """

    def __init__(  # noqa: PLR0913  # keywords with defaults
        self,
        events: Iterable[Any],
        *,
        run_id: str | None = None,
        strict: bool = False,
        until: Until = None,
        on_miss: Policy = "raise",
        tools: Mapping[str, ToolRule] | None = None,
    ) -> None:
        if on_miss not in ("raise", "error") and not callable(on_miss):
            raise ValueError(f"on_miss={on_miss!r}: it must be 'raise', 'error' or a function; 'live' is for ToolRule")
        self._rules = dict(tools or {})
        self._units = read_units(events, self._tool_key)
        if self._units.missing_events:
            self._refuse_holes(strict=strict)
        self.children: dict[str, Recording] = {}
        self._run_id = run_id
        self._forked_until = None if until is None else last_seq(self._units, until)
        self._strict = strict
        self._lock = Lock()
        self._server = Server(self._units, self._rules, on_miss, until, strict=strict)
        self._inputs = iter(self._units.inputs)

    @classmethod
    async def load(cls, source: RunSource, run_id: str, **options: Any) -> Self:
        """Return the recording of a stored run, with those of its child runs as `children`.

        Args:
            source: a `Reader` or a `RunFile`.
            run_id: the run.
            options: as for the constructor.
        """
        loaded: Self = await load_recording(cls, source, [run_id], options)
        return loaded

    def _refuse_holes(self, *, strict: bool) -> None:
        text = f"{self._units.missing_events} events of the recorded run are missing"
        if strict:
            raise RecordingHasHoles(f"{text}: replay it without `strict`, or record the run again")
        warnings.warn(f"{text}: calls that are not in the recording may have been made", stacklevel=3)

    def _tool_key(self, name: str, arguments: Any) -> str:
        return self._rules.get(name, _NO_RULE).key_of(arguments)

    def llm(  # the fields of the event
        self,
        *,
        model: str,
        system_prompt: Any = "",
        user_prompt: Any,
        call: Callable[[], Any] | None = None,
        lane: str | None = None,
    ) -> Any:
        """Return the recorded answer of a model, as text; or what `call` returns if the model is called.

        Args:
            model: the name of the model.
            system_prompt: text, or a value that was recorded as canonical JSON.
            user_prompt: as `system_prompt`.
            call: calls the real model; needed after `until` only.
            lane: the name of the sequence of calls that this one belongs to, if the run was recorded with `lane=`.

        Raises:
            RecordedFailure: the recorded call failed.
            Divergence: the recording has no answer.
        """
        return self._answer(self._llm_request(model, system_prompt, user_prompt, lane), call)

    async def llm_async(  # the fields of the event
        self,
        *,
        model: str,
        system_prompt: Any = "",
        user_prompt: Any,
        call: Callable[[], Any] | None = None,
        lane: str | None = None,
    ) -> Any:
        """Do the same as `llm`; `call` may return an awaitable."""
        return await _awaited(self._answer(self._llm_request(model, system_prompt, user_prompt, lane), call))

    def tool(self, name: str, arguments: Any = None, *, call: Callable[[], Any] | None = None) -> Any:
        """Return the recorded result of a tool; or what `call` returns if the tool's policy is `live`.

        Args:
            name: the name of the tool.
            arguments: its arguments, as they were recorded.
            call: calls the real tool; needed for the policy `live` only.

        Raises:
            RecordedFailure: the recorded call failed, or is missing and the policy is `error`.
            Divergence: the recording has no answer.
        """
        return self._answer(self._tool_request(name, arguments), call)

    async def tool_async(self, name: str, arguments: Any = None, *, call: Callable[[], Any] | None = None) -> Any:
        """Do the same as `tool`; `call` may return an awaitable."""
        return await _awaited(self._answer(self._tool_request(name, arguments), call))

    def replayed_tool(self, function: Callable[..., Any], name: str | None = None) -> Callable[..., Any]:
        """Return a function that answers from the recording in place of `function`, which may be a coroutine function.

        The tool has the function's name, and its arguments are those of the call by name: as `@tool` records them.
        """
        tool_name = name or name_of(function)

        def start(arguments: dict[str, Any]) -> Recorder:
            recorder = Recorder()
            recorder.answer = lambda call: self.tool(tool_name, arguments, call=call)
            return recorder

        return instrument(function, start)

    def ran(self, kind: Literal["llm", "tool"], fields: Mapping[str, Any]) -> None:
        """Note that the agent has made a call itself: a block of the emitter that does not call `call.answer`."""
        if kind == "llm":
            request = self._llm_request(fields["model"], fields["system_prompt"], fields["user_prompt"], None)
        else:
            request = self._tool_request(fields["tool_name"], fields["tool_args"])
        with self._lock:
            self._server.ran(request)

    def child(self, agent_id: str) -> "Recording | NoRecording":
        """Return what answers a child run of the agent: that of `children`, else one that refuses every call."""
        return self.children.get(agent_id) or NoRecording(NO_CHILD.format(agent_id), self._refuse)

    def _refuse(self, error: Divergence) -> None:
        with self._lock:
            self._server.add_divergence(error)

    @property
    def inputs(self) -> list[Input]:
        """All recorded inputs, in order."""
        return list(self._units.inputs)

    def next_input(self) -> Input | None:
        """Return the next recorded input, in order; None after the last."""
        with self._lock:
            return next(self._inputs, None)

    def run_fields(self) -> dict[str, Any]:
        """Return fields for `Emitter.start_run`: `replay_of`, the id of the recorded run, and the label of this name.

        With `until`, the new run is a fork: it has `forked_from`, with a label, and `forked_until`, the number of the
        last event that it has. The label is left out if the id is too long for one.
        """
        return {} if self._run_id is None else origin_fields(self._run_id, self._forked_until)

    def report(self) -> Report:
        """Return what the replay has done so far."""
        with self._lock:
            return self._server.report(self._units.missing_events)

    def finish(self) -> Report:
        """Return what the replay has done.

        Raises:
            Divergence: there was one, in this run or in a child run, which the agent may have caught.
            Unserved: the recording is strict, and the agent did not make all recorded calls.
        """
        report = self.report()
        if report.divergences:
            raise Divergence(report.divergences[0])
        if self._strict and report.unserved:
            raise Unserved(unserved_text(report.unserved))
        for child in self.children.values():
            child.finish()
        return report

    def _llm_request(self, model: str, system_prompt: Any, user_prompt: Any, lane: str | None) -> Request:
        content = {"system_prompt": text_of(system_prompt), "user_prompt": text_of(user_prompt)}
        return Request("llm", model, content, llm_key(content), lane)

    def _tool_request(self, name: str, arguments: Any) -> Request:
        return Request("tool", name, arguments, self._tool_key(name, arguments))

    def _answer(self, request: Request, call: Callable[[], Any] | None) -> Any:
        with self._lock:
            answer = self._server.serve(request, has_call=call is not None)
        if not isinstance(answer, Live):
            return answer
        if answer.policy is not None:
            return answer.policy(request)
        assert call is not None  # noqa: S101  # `serve` has checked it
        return call()


async def _awaited(value: Any | Awaitable[Any]) -> Any:
    return await value if isawaitable(value) else value


_NO_RULE = ToolRule()
