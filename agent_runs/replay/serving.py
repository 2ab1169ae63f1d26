"""Decides how each request is answered: by a recorded call, by the real function, or by an error."""

import marshal
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from copy import deepcopy
from itertools import count
from types import MappingProxyType
from typing import Any, Final

import msgspec

from agent_runs.replay.differences import first_difference
from agent_runs.replay.errors import Ambiguous, Divergence, NotReplayable, RecordedFailure, recorded_failure
from agent_runs.replay.matching import Matcher
from agent_runs.replay.messages import ambiguous_text, llm_remedy, missing_text, not_replayable_text, tool_remedy
from agent_runs.replay.report import Drift, Report
from agent_runs.replay.requests import Request
from agent_runs.replay.rules import NthLlmCall, Policy, ToolRule, Until
from agent_runs.replay.units import Unit, Units, superseded

# By the number of the recording: the unit that was served last in this task or thread. A task inherits it from the one
# that started it, as the parents of recorded events do.
_last_served: Final[ContextVar[Mapping[int, int]]] = ContextVar("agent_runs_last_served", default=MappingProxyType({}))
_MAX_RECORDINGS: Final = 8  # that a task remembers
_numbers: Final = count()
_LOSSY: Final = {"$repr"}
_MASKED: Final = "[masked: "


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
        self._number = next(_numbers)
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

    def serve(self, request: Request, *, has_call: bool) -> Any:
        """Return the recorded answer; or a `Live`.

        Args:
            request: what the agent asks for.
            has_call: whether the agent has passed the real function.

        Raises:
            RecordedFailure: the recorded call failed, or is missing and the policy is `error`.
            Divergence: there is no answer.
        """
        if request.kind == "llm" and self._is_live:
            return self._go_live(request, has_call=has_call)
        unit = self._matcher.exact(request)
        if unit is not None and unit.answer is not None:
            return self._answer_of(unit, request, has_call=has_call)
        if request.kind == "llm" and unit is None:
            drifted = None if self._strict else self._drifted_unit(request)
            if drifted is not None:
                difference = first_difference(drifted.content, request.content)
                self._drifted.append(Drift(drifted, request, difference or "the name of the model"))
                return self._answer_of(drifted, request, has_call=has_call)
            if self._until is not None and not (self._strict and any(self._matcher.unserved("llm"))):
                self._is_live = True
                return self._go_live(request, has_call=has_call)
        return self._miss(request, has_call=has_call)

    def ran(self, request: Request) -> None:
        """Note that the agent has made a call itself. A recorded call that is the same counts as made."""
        unit = self._matcher.exact(request)
        if unit is not None:
            self._matcher.take(unit)
            self._remember(unit)
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

    def _answer_of(self, unit: Unit, request: Request, *, has_call: bool) -> Any:
        assert unit.answer is not None  # noqa: S101  # the callers have checked it
        is_exact = _is_exact(unit.answer.value)
        if is_exact:
            self._matcher.take(unit)
            self._remember(unit)
            if unit.answer.error is not None:
                raise recorded_failure(unit.answer.error, unit.answer.error_type)
            return _own_copy(unit.answer.value)
        return self._miss(request, has_call=has_call, not_replayable=unit)

    def _remember(self, unit: Unit) -> None:
        last = _last_served.get()
        kept = {} if len(last) >= _MAX_RECORDINGS and self._number not in last else last
        _last_served.set({**kept, self._number: unit.number})

    def _drifted_unit(self, request: Request) -> Unit | None:
        """Return the model call that a changed prompt stands for.

        Raises:
            Ambiguous: several may be meant.
        """
        if request.lane is not None and (unit := self._matcher.next_in_lane(request.lane)):
            return unit
        after = _last_served.get().get(self._number)
        candidates = self._matcher.next_llm(after)
        if len(candidates) == 1 and not self._matcher.is_covered(candidates[0]):
            return candidates[0]
        if not candidates and (self._until is not None or not any(self._matcher.unserved("llm"))):
            return None
        raise self.add_divergence(Ambiguous(ambiguous_text(request, candidates, self._matcher)))

    def _miss(self, request: Request, *, has_call: bool, not_replayable: Unit | None = None) -> Any:
        """Do what the policy says, after a request whose recorded answer is missing, or is not what was returned."""
        rule = self._rules.get(request.name) if request.kind == "tool" else None
        policy = rule.on_miss if rule is not None and rule.on_miss is not None else self._on_miss
        if policy == "raise" or (policy == "live" and not has_call):
            raise self.add_divergence(self._divergence(request, policy, not_replayable))
        if not_replayable is not None:
            self._matcher.take(not_replayable)
            self._remember(not_replayable)
        if policy == "live":
            return self._go_live(request, has_call=True)
        if callable(policy):
            self._live.append(request.kept())
            return Live(policy)
        self._refused.append(request.kept())
        raise RecordedFailure(f"the recording has no answer for this call of {request.name}")

    def _divergence(self, request: Request, policy: Policy, not_replayable: Unit | None) -> Divergence:
        if request.kind == "llm":
            remedy = llm_remedy(self._matcher, strict=self._strict)
        else:
            remedy = tool_remedy(request, self._matcher, policy=policy)
        if not_replayable is not None:
            return NotReplayable(not_replayable_text(request, not_replayable, self._matcher, remedy))
        return Divergence(missing_text(request, self._matcher, remedy))

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


def last_seq(units: Units, until: int | str | NthLlmCall) -> int:
    """Return the number of the event at a place of the run.

    Raises:
        ValueError: the place is not in the run.
    """
    if isinstance(until, int):
        last = max(units.seq_by_id.values(), default=-1)
        if not 0 <= until <= last:
            raise ValueError(f"until={until}: the events of the run have the numbers 0 to {last}")
        return until
    if isinstance(until, NthLlmCall):
        numbers = [unit.seq for unit in units.calls if unit.kind == "llm"]
        if not 1 <= until.number <= len(numbers):
            raise ValueError(f"until={until}: the run has {len(numbers)} model calls")
        return numbers[until.number - 1]
    if until not in units.seq_by_id:
        raise ValueError(f"until={until!r}: the run has no event with this id")
    return units.seq_by_id[until]


def _own_copy(value: Any) -> Any:
    """Return a copy of a JSON value: what the agent changes in it must not be in the next answer."""
    if not isinstance(value, dict | list):
        return value
    try:  # in C, without recursion in Python
        return marshal.loads(marshal.dumps(value))  # noqa: S302  # its own bytes
    except ValueError:  # a Decimal, for a number that float cannot hold
        return deepcopy(value)


def _is_exact(value: Any) -> bool:
    """Whether no part of an answer is masked, or stands for an object that JSON cannot express."""
    return all(not _is_lossy(part) for part in _parts(value))


def _is_lossy(part: Any) -> bool:
    if isinstance(part, str):
        return part.startswith(_MASKED)
    return isinstance(part, dict) and part.keys() == _LOSSY


def _parts(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
