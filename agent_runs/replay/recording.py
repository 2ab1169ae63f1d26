"""`Recording`: answers the model calls and tool calls of an agent with those of a past run."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Literal, Self

from msgspec.structs import replace

from agent_runs.events import Input
from agent_runs.reader.event_text import count_text
from agent_runs.reader.run_source import RunSource
from agent_runs.reader.sync_reader import SyncRunSource
from agent_runs.replay.agent_calls import AgentCalls
from agent_runs.replay.answers import own_input
from agent_runs.replay.callers import Caller
from agent_runs.replay.errors import Divergence, RecordingHasHoles, Unserved
from agent_runs.replay.loading import load_recording
from agent_runs.replay.messages import first_of, unserved_text
from agent_runs.replay.no_recording import NoRecording, no_child_text
from agent_runs.replay.origins import origin_fields
from agent_runs.replay.report import Report
from agent_runs.replay.requests import Request
from agent_runs.replay.rules import Policy, ToolRule, Until, check_policy, checked_rules, last_seq
from agent_runs.replay.serving import Live, Server
from agent_runs.replay.unit_reader import read_units


class Recording(AgentCalls):
    """Answers the calls of an agent from the events of a past run. Safe for threads and tasks; no call waits.

    It answers the calls of the runs that start in a block `with recording:`, and of those that are started with
    `recording=`.

    A call is answered by the first recorded call of the same kind, name and content that has not been served. Without
    `strict`, a model call whose prompts have changed is answered by the recorded call that comes next in its task, if
    there is exactly one, and is reported as drifted. A tool call is never answered by its position.

    Args:
        events: all events of one run in order, such as those of `Reader.get_run_events`, of `RecordingEmitter.events`,
            or of a run file. For the child runs of one agent: the events of one run after those of another.
        run_id: the id of the recorded run, for `run_fields`; for several child runs, their ids in order, for messages.
        strict: answer unchanged calls only; `finish` also requires that all recorded calls were made.
        until: the recorded run counts up to this place: the number of an event, the id of an event, or `NthLlmCall`.
            The first model call after it, and all later ones, call the real model. Tools keep their policy.
        on_miss: what happens with a call that is not recorded: `raise`, `error`, or a function of the `Request`.
        tools: the rules of single tools by name. Only here may `on_miss` be `live`.

    Attributes:
        children: the recordings that answer the child runs of the run, by the agent of the child.

    Raises:
        RecordingHasHoles: events of the run are missing, and the recording is strict. Otherwise they are warned about.
        TypeError: `events` are not events, or `tools` has something else than a `ToolRule`.
        ValueError: `on_miss` is none of these, `until` is not in the run, or the events of several runs are mixed; or
            stored events are repeated or not in order.
    """

    def __init__(  # noqa: PLR0913  # keywords with defaults
        self,
        events: Iterable[Any],
        *,
        run_id: str | Sequence[str] | None = None,
        strict: bool = False,
        until: Until = None,
        on_miss: Policy = "raise",
        tools: Mapping[str, ToolRule] | None = None,
    ) -> None:
        check_policy(on_miss)
        super().__init__(checked_rules(tools))
        self._units = read_units(events, self._tool_key, () if run_id is None or isinstance(run_id, str) else run_id)
        if self._units.missing_events:
            self._refuse_holes(strict=strict)
        self.children: dict[str, Recording] = {}
        self._run_id = run_id if isinstance(run_id, str) else None
        self._forked_until = None if until is None else last_seq(self._units, until)
        self._strict = strict
        self._lock = Lock()
        self._on_miss = on_miss
        self._server = Server(self._units, self._rules, on_miss, until, strict=strict)
        self._caller = self._server.caller()
        self._inputs = iter(self._units.inputs)

    @classmethod
    async def load(cls, source: RunSource, run_id: str, **options: Any) -> Self:
        """Return the recording of a stored run, with those of its child runs as `children`.

        Args:
            source: a `Reader` or a `RunFile`.
            run_id: the run.
            options: as for the constructor.

        Raises:
            ValueError: the run is not stored.
        """
        loaded: Self = await load_recording(cls, source, [run_id], options)
        return loaded

    @classmethod
    def load_sync(cls, source: SyncRunSource[Any], run_id: str, **options: Any) -> Self:
        """Do the same as `load` with a `SyncReader`, or with `SyncRunSource(RunFile(path))`."""
        return source.wait_for(cls.load(source.source, run_id, **options))

    def _refuse_holes(self, *, strict: bool) -> None:
        text = f"the recorded run lacks {count_text(self._units.missing_events, 'event')}"
        if strict:
            raise RecordingHasHoles(
                f"{text}: pass all events of the run, replay it without `strict`, or record it again"
            )
        warnings.warn(f"{text}: calls that are not in the recording may have been made", stacklevel=3)

    def ran(self, kind: Literal["llm", "tool"], fields: Mapping[str, Any]) -> None:
        """Note that the agent has made a call itself: a block of the emitter that does not call `call.answer`."""
        if kind == "llm":
            request = self._llm_request(fields["model"], fields["system_prompt"], fields["user_prompt"], None)
        else:
            request = self._tool_request(fields["tool_name"], fields["tool_args"])
        with self._lock:
            self._server.ran(request, self._caller)

    def child(self, agent_id: str) -> "Recording | NoRecording":
        """Return what answers a child run of the agent: that of `children`, else one that refuses every call.

        After the place that `until` names, a child run calls the real model, as its parent does.
        """
        with self._lock:
            is_live = self._server.begins_live(self._caller)
        if is_live and agent_id not in self.children:
            self.children[agent_id] = Recording([], on_miss=self._on_miss, tools=self._rules)
        found = self.children.get(agent_id)
        if found is None:
            return NoRecording(no_child_text(agent_id, self.children), self._refuse)
        return found.for_child_run(self._caller, is_live=is_live)

    def for_child_run(self, parent: Caller, *, is_live: bool) -> Self:
        """Return this recording for one of the child runs that it answers."""
        new = object.__new__(type(self))
        new.__dict__.update({name: value for name, value in self.__dict__.items() if name != "_pickle_key"})
        new._caller = self._server.caller(parent, is_live=is_live)
        return new

    def saw_input(self, tool: str, data: Any) -> None:
        """Note an input of the run of the replay: of several recorded child runs, the one with this input is meant."""
        with self._lock:
            self._server.add_input(self._caller, tool, data)

    def _refuse(self, error: Divergence) -> None:
        with self._lock:
            self._server.add_divergence(error)

    @property
    def inputs(self) -> list[Input]:
        """All recorded inputs, in order: copies, which the agent may change."""
        return [own_input(each) for each in self._units.inputs]

    def next_input(self) -> Input | None:
        """Return the next recorded input, in order, as a copy; None after the last."""
        with self._lock:
            found = next(self._inputs, None)
        return None if found is None else own_input(found)

    def run_fields(self) -> dict[str, Any]:
        """Return fields for `Emitter.start_run`: `replay_of`, the id of the recorded run, and the label of this name.

        With `until`, the new run is a fork: it has `forked_from`, with a label, and `forked_until`, the number of the
        last event that it has. The label is left out if the id is too long for one.
        """
        return {} if self._run_id is None else origin_fields(self._run_id, self._forked_until)

    def report(self) -> Report:
        """Return what the replay has done so far, in this run and in its child runs."""
        with self._lock:
            own = self._server.report(self._units.missing_events)
        return replace(own, children={agent: child.report() for agent, child in self.children.items()})

    def finish(self) -> Report:
        """Return what the replay has done.

        Raises:
            Divergence: there was one, in this run or in a child run, which the agent may have caught.
            Unserved: the recording is strict, and the agent did not make all recorded calls.
        """
        report = self.report()
        if report.divergences:
            raise Divergence(first_of(report.divergences))
        if self._strict and report.unserved:
            raise Unserved(unserved_text(report.unserved))
        for child in self.children.values():
            child.finish()
        return report

    def _answer(self, request: Request, call: Callable[[], Any] | None) -> Any:
        with self._lock:
            answer = self._server.serve(request, self._caller, has_call=call is not None)
        if not isinstance(answer, Live):
            return answer
        if answer.policy is not None:
            return answer.policy(request)
        assert call is not None  # noqa: S101  # `serve` has checked it
        return call()
