"""Finds the recorded call that answers a request. The caller holds a lock; nothing here waits."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Sequence

from agent_runs.replay.equal_calls import EqualCalls
from agent_runs.replay.requests import Request
from agent_runs.replay.units import Unit


class Matcher:
    """The recorded calls, and which of them have been served.

    Args:
        calls: all units of the run, in order.
        left_out: the numbers of units that answer nothing.
    """

    def __init__(self, calls: Sequence[Unit], left_out: Collection[int]) -> None:
        self.calls = calls
        self._closed = [unit.number in left_out for unit in calls]
        self._is_served = [False] * len(calls)
        self._served: list[Unit] = []
        self._equal: dict[tuple[str, str, str], EqualCalls] = {}
        self._children: dict[int | None, list[Unit]] = defaultdict(list)
        for unit in calls:
            if not self._closed[unit.number]:
                self._equal_calls(unit).add(unit)
            self._children[unit.parent].append(unit)
        self._models = {unit.name for unit in calls if unit.kind == "llm"}
        self._llm_until = _llm_until(calls)
        self._is_sequence = _is_sequence(calls, self._llm_until)

    def take(self, unit: Unit) -> Unit:
        """Mark a unit as served, and return it."""
        self._closed[unit.number] = self._is_served[unit.number] = True
        self._served.append(unit)
        return unit

    def _equal_calls(self, unit: Unit) -> EqualCalls:
        wanted = (unit.kind, unit.name, unit.key)
        if wanted not in self._equal:
            self._equal[wanted] = EqualCalls(self.calls, self._closed)
        return self._equal[wanted]

    def exact(self, request: Request, after: int | None) -> list[Unit]:
        """Return the unserved unit with the request's kind, name and key; several if it is not clear which one.

        Args:
            request: what the agent asks for.
            after: the number of the unit that was served last in the task; None if there is none.
        """
        equal = self._equal.get((request.kind, request.name, request.key))
        return [] if equal is None else equal.next(after, request.lane)

    def may_stand_for(self, unit: Unit, request: Request) -> bool:
        """Whether a recorded model call may answer one with other prompts or another model.

        Not if the prompts differ and the recorded run calls the requested model elsewhere: then another call is meant.
        """
        return unit.name == request.name or unit.key == request.key or request.name not in self._models

    def next_in_lane(self, lane: str) -> Unit | None:
        """Return the first unserved model call that was recorded with this lane."""
        return next((unit for unit in self.unserved("llm") if unit.lane == lane), None)

    def next_llm(self, after: int | None) -> list[Unit]:
        """Return the model calls that may be the next one of a task: unserved, with no unserved model call before them.

        Several, if the recorded run had parallel tasks.

        Args:
            after: the number of the unit that was served last in the task; None if there is none.
        """
        found = []
        waiting = deque(self._children.get(after, ()))
        while waiting:
            unit = waiting.popleft()
            if unit.kind == "llm" and not self._closed[unit.number]:
                found.append(unit)
            elif not self._is_served[unit.number]:
                waiting.extend(self._children.get(unit.number, ()))
        return found or self._next_of_sequence(after)

    def _next_of_sequence(self, after: int | None) -> list[Unit]:
        """Return the next model call of a run that made one after another, wherever its tool calls ran."""
        unit = next(self.unserved("llm"), None) if self._is_sequence else None
        if unit is None or self._last_llm(unit.parent) != self._last_llm(after):
            return []
        return [unit]

    def _last_llm(self, number: int | None) -> int | None:
        return None if number is None else self._llm_until[number]

    @property
    def served(self) -> Sequence[Unit]:
        """The served units, in the order in which they were served."""
        return self._served

    def unserved(self, kind: str | None = None) -> Iterator[Unit]:
        """Iterate over the units that can still answer a request, of one kind or of both, in order."""
        return (unit for unit in self.calls if not self._closed[unit.number] and kind in (None, unit.kind))

    def is_covered(self, unit: Unit) -> bool:
        """Whether the unit was called by a tool whose recorded result was served, so that it is not called again."""
        inside = unit.inside
        while inside is not None:
            if self._is_served[inside]:
                return True
            inside = self.calls[inside].inside
        return False

    def same_requests(self, request: Request) -> list[Unit]:
        """Return all units that would answer the request exactly, served ones included."""
        wanted = (request.kind, request.name, request.key)
        return [unit for unit in self.calls if (unit.kind, unit.name, unit.key) == wanted]


def _llm_until(calls: Sequence[Unit]) -> list[int | None]:
    """Return for each unit the number of the last model call up to it in its task, itself included."""
    found: list[int | None] = []
    for unit in calls:
        before = None if unit.parent is None else found[unit.parent]
        found.append(unit.number if unit.kind == "llm" else before)
    return found


def _is_sequence(calls: Sequence[Unit], llm_until: Sequence[int | None]) -> bool:
    """Whether the run made its model calls one after another: each follows the previous one in the same task."""
    previous: int | None = None
    for unit in calls:
        if unit.kind == "llm":
            if (None if unit.parent is None else llm_until[unit.parent]) != previous:
                return False
            previous = unit.number
    return True
