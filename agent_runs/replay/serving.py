"""Decides how each request is answered: by a recorded call, by the real function, or by an error."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from agent_runs.replay.answers import is_exact, own_copy
from agent_runs.replay.callers import Caller, Callers, keep_place, last_served, note_last
from agent_runs.replay.differences import difference_of_calls
from agent_runs.replay.equal_calls import NO_PLACE
from agent_runs.replay.errors import Ambiguous, Divergence, NotReplayable, RecordedFailure, recorded_failure
from agent_runs.replay.matching import Matcher
from agent_runs.replay.messages import (
    ambiguous_text,
    equal_calls_text,
    llm_remedy,
    missing_text,
    not_replayable_text,
    other_model_text,
    tool_remedy,
)
from agent_runs.replay.report import Drift, Report
from agent_runs.replay.requests import Request
from agent_runs.replay.rules import Policy, ToolRule, Until, last_seq
from agent_runs.replay.units import Unit, Units, superseded


class Live(msgspec.Struct, frozen=True):
    """The request is to be answered by the real function, or by the callable policy."""

    policy: Callable[[Request], Any] | None = None


class Server:
    """Answers requests. The caller holds a lock.

    Args:
        units: the recorded run.
        rules: the rules of single tools by name.
        on_miss: the policy of all others.
        until: as for `Recording`.
        strict: whether only unchanged calls are answered.
    """

    def __init__(
        self, units: Units, rules: Mapping[str, ToolRule], on_miss: Policy, until: Until, *, strict: bool
    ) -> None:
        self._callers = Callers(units.inputs_of_runs)
        self._rules = rules
        self._on_miss = on_miss
        self._strict = strict
        self._until = None if until is None else last_seq(units, until)
        beyond = {unit.number for unit in units.calls if self._until is not None and unit.seq > self._until}
        self._matcher = Matcher(units.calls, superseded(units.calls) | beyond)
        self._is_live = False
        self._ran: set[int] = set()  # the numbers of recorded calls that the agent has made itself
        self._drifted: list[Drift] = []
        self._live: list[Request] = []
        self._refused: list[Request] = []
        self._divergences: list[str] = []

    def caller(self, parent: Caller | None = None, *, is_live: bool = False) -> Caller:
        """Return a run of the replay. Its model calls call the real model if `is_live`."""
        return self._callers.new(parent, is_live=is_live)

    def begins_live(self, parent: Caller) -> bool:
        """Whether a child run that a caller starts now calls the real model."""
        keep_place(parent)  # its child runs must not make the task forget it
        return self._is_live or parent.is_live

    def add_input(self, caller: Caller, tool: str, data: Any) -> None:
        """Note an input of a run of the replay."""
        self._callers.add_input(caller, tool, data)

    def serve(self, request: Request, caller: Caller, *, has_call: bool) -> Any:
        """Return the recorded answer; or a `Live`.

        Args:
            request: what the agent asks for.
            caller: the run of the replay that asks.
            has_call: whether the agent has passed the real function.

        Raises:
            RecordedFailure: the recorded call failed, or is missing and the policy is `error`.
            Divergence: there is no answer.
        """
        if request.kind == "llm" and (self._is_live or caller.is_live):
            return self._go_live(request, has_call=has_call)
        equal = self._exact(request, caller)
        if len(equal) > 1:
            error = partial(self._unclear, request, equal)
            return self._miss(request, caller, has_call=has_call, error=error)
        if equal and equal[0].answer is not None:
            return self._answer_of(equal[0], request, caller, has_call=has_call)
        if request.kind == "llm" and not equal:
            return self._serve_changed(request, caller, has_call=has_call)
        return self._miss(request, caller, has_call=has_call)

    def _exact(self, request: Request, caller: Caller) -> list[Unit]:
        others = () if caller.is_certain else self._callers.runs_of(caller)
        return self._matcher.exact(request, last_served(caller), caller.run, others)

    def _serve_changed(self, request: Request, caller: Caller, *, has_call: bool) -> Any:
        """Answer a model call that is not recorded as it is."""
        drifted = None if self._strict else self._drifted_unit(request, caller)
        if drifted is not None and not self._matcher.may_stand_for(drifted, request):
            error = partial(self._other_model, request, drifted)
            return self._miss(request, caller, has_call=has_call, error=error)
        if drifted is not None:
            if is_exact(drifted.answer):
                self._drifted.append(Drift(drifted, request, difference_of_calls(drifted, request)))
            return self._answer_of(drifted, request, caller, has_call=has_call)
        if self._until is not None and not (self._strict and any(self._matcher.unserved("llm"))):
            self._is_live = True
            return self._go_live(request, has_call=has_call)
        return self._miss(request, caller, has_call=has_call)

    def ran(self, request: Request, caller: Caller) -> None:
        """Note that the agent has made a call itself. A recorded call that is the same counts as made."""
        for unit in self._exact(request, caller)[:1]:
            self._take(unit, caller)
            self._ran.add(unit.number)
        self._live.append(request.kept())

    def report(self, missing_events: int) -> Report:
        """Return what was done so far."""
        return Report(
            [unit for unit in self._matcher.served if unit.number not in self._ran],
            list(self._drifted),
            [unit for unit in self._matcher.unserved() if not self._matcher.is_covered(unit)],
            list(self._live),
            list(self._refused),
            list(self._divergences),
            missing_events,
        )

    def _answer_of(self, unit: Unit, request: Request, caller: Caller, *, has_call: bool) -> Any:
        assert unit.answer is not None  # noqa: S101  # the callers have checked it
        if is_exact(unit.answer):
            self._take(unit, caller)
            if unit.answer.error is not None:
                raise recorded_failure(unit.answer.error, unit.answer.error_type)
            return own_copy(unit.answer.value)
        error = partial(self._not_replayable, request, unit)
        return self._miss(request, caller, has_call=has_call, error=error, unit=unit)

    def _take(self, unit: Unit, caller: Caller) -> None:
        self._matcher.take(unit)
        caller.run = unit.run
        note_last(caller, unit.number)

    def _drifted_unit(self, request: Request, caller: Caller) -> Unit | None:
        """Return the model call that a changed prompt stands for.

        Raises:
            Ambiguous: several may be meant.
        """
        if self._callers.are_told_apart(caller):
            return None
        runs = self._callers.runs_of(caller) if caller.run is None else [caller.run]
        if request.lane is not None and (unit := self._matcher.next_in_lane(request.lane, runs)):
            return unit
        last = last_served(caller)
        candidates = self._matcher.next_llm(last, runs)
        if len(candidates) == 1 and not self._matcher.is_covered(candidates[0]):
            return candidates[0]
        if not candidates and last != NO_PLACE and (self._until is not None or not any(self._matcher.unserved("llm"))):
            return None
        note_last(caller, NO_PLACE)
        raise self.add_divergence(Ambiguous(ambiguous_text(request, candidates, self._matcher)))

    def _miss(
        self,
        request: Request,
        caller: Caller,
        *,
        has_call: bool,
        error: Callable[[str], Divergence] | None = None,
        unit: Unit | None = None,
    ) -> Any:
        """Do what the policy says, after a request that the recording cannot answer.

        Args:
            request: what the agent asks for.
            caller: the run of the replay that asks.
            has_call: whether the agent has passed the real function.
            error: returns the divergence from the remedy; by default that of a call that is not recorded.
            unit: the recorded call, if its answer is not what was returned. It counts as made.
        """
        rule = self._rules.get(request.name) if request.kind == "tool" else None
        policy = rule.on_miss if rule is not None and rule.on_miss is not None else self._on_miss
        if policy == "raise" or (policy == "live" and not has_call):
            raise self.add_divergence((error or partial(self._missing, request))(self._remedy(request, policy)))
        if unit is not None:
            self._take(unit, caller)
        if policy == "live":
            return self._go_live(request, has_call=True)
        if callable(policy):
            self._live.append(request.kept())
            return Live(policy)
        self._refused.append(request.kept())
        raise RecordedFailure(f"the recording has no answer for this call of {request.name}")

    def _remedy(self, request: Request, policy: Policy) -> str:
        if request.kind == "llm":
            return llm_remedy(self._matcher, strict=self._strict)
        return tool_remedy(request, self._matcher, policy=policy)

    def _missing(self, request: Request, remedy: str) -> Divergence:
        return Divergence(missing_text(request, self._matcher, remedy))

    def _other_model(self, request: Request, unit: Unit, remedy: str) -> Divergence:
        return Divergence(other_model_text(request, unit, self._matcher, remedy))

    def _unclear(self, request: Request, units: list[Unit], remedy: str) -> Divergence:
        return Ambiguous(equal_calls_text(request, units, self._matcher, remedy))

    def _not_replayable(self, request: Request, unit: Unit, remedy: str) -> Divergence:
        return NotReplayable(not_replayable_text(request, unit, self._matcher, remedy))

    def _go_live(self, request: Request, *, has_call: bool) -> Live:
        if not has_call:
            text = (
                f"The agent asked for {request.text}, after the place that `until` names, where models are called.\n"
                "To go on: pass the function that calls the model, `recording.llm(…, call=function)`."
            )
            raise self.add_divergence(Divergence(text))
        self._live.append(request.kept())
        return Live()

    def add_divergence(self, error: Divergence) -> Divergence:
        """Add a divergence to the report, and return it."""
        self._divergences.append(str(error))
        return error
