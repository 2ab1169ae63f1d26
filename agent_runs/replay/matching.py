"""Finds the recorded call that answers a request. The caller holds a lock; nothing here waits."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Sequence

from agent_runs.replay.equal_calls import NO_PLACE, EqualCalls
from agent_runs.replay.requests import Request
from agent_runs.replay.units import Unit


class Matcher:
    """The recorded calls, and which of them have been served.

    Args:
        calls: all units, in order; of several runs, those of one run after those of another.
        left_out: the numbers of units that answer nothing.
    """

    def __init__(self, calls: Sequence[Unit], left_out: Collection[int]) -> None:
        self.calls = calls
        self._closed = [unit.number in left_out for unit in calls]
        self._is_served = [False] * len(calls)
        self._served: list[Unit] = []
        self._equal: dict[tuple[str, str, str, int], EqualCalls] = {}
        self._roots: dict[int, list[Unit]] = defaultdict(list)  # by run: the units without a parent
        self._children: dict[int, list[Unit]] = defaultdict(list)
        for unit in calls:
            if not self._closed[unit.number]:
                self._equal_calls(unit).add(unit)
            (self._roots[unit.run] if unit.parent is None else self._children[unit.parent]).append(unit)
        self._models = {unit.name for unit in calls if unit.kind == "llm"}
        self._llm_until = _llm_until(calls)
        self._is_parallel = _parallel_runs(calls, self._llm_until)

    def take(self, unit: Unit) -> None:
        """Mark a unit as served."""
        self._closed[unit.number] = self._is_served[unit.number] = True
        self._served.append(unit)

    def _equal_calls(self, unit: Unit) -> EqualCalls:
        wanted = (unit.kind, unit.name, unit.key, unit.run)
        if wanted not in self._equal:
            self._equal[wanted] = EqualCalls(self.calls, self._closed)
        return self._equal[wanted]

    def exact(self, request: Request, after: int | None, run: int | None, others: Sequence[int]) -> list[Unit]:
        """Return the unserved unit with the request's kind, name and key; several if it is not clear which one.

        Args:
            request: what the agent asks for.
            after: the number of the unit that was served last in the task; None if there is none; or `NO_PLACE`.
            run: the number of the recorded run that is searched first; None if it is not clear yet.
            others: those that are searched then.
        """
        own = [] if run is None else self._exact_in(run, request, after)
        if own or not others:
            return own
        found = [unit for other in others if other != run for unit in self._exact_in(other, request, None)]
        begins = [unit for unit in found if unit.parent is None]
        if after is None and begins:  # of runs that begin alike, either may be meant
            return begins[:1]
        return found[:1] if all(unit.answer == found[0].answer for unit in found) else found

    def _exact_in(self, run: int, request: Request, after: int | None) -> list[Unit]:
        equal = self._equal.get((request.kind, request.sought_name, request.key, run))
        if equal is None:
            return []
        return equal.next(self._place_in(run, after), request.lane)

    def _place_in(self, run: int, after: int | None) -> int | None:
        """Return `after`, or None if it is of another run."""
        return after if after is None or after == NO_PLACE or self.calls[after].run == run else None

    def may_stand_for(self, unit: Unit, request: Request) -> bool:
        """Whether a recorded model call may answer one with other prompts or another model.

        Not if the prompts differ and the recorded run calls the requested model elsewhere: then another call is meant.
        """
        return unit.name == request.name or unit.key == request.key or request.name not in self._models

    def next_in_lane(self, lane: str, runs: Collection[int]) -> Unit | None:
        """Return the first unserved model call of some runs that was recorded with this lane."""
        return next((unit for unit in self.unserved("llm") if unit.lane == lane and unit.run in runs), None)

    def next_llm(self, after: int | None, runs: Sequence[int]) -> list[Unit]:
        """Return the model calls that may be the next one of a task: unserved, with no unserved model call before them.

        Several, if the recorded run had parallel tasks.

        Args:
            after: the number of the unit that was served last in the task; None if there is none; or `NO_PLACE`.
            runs: the numbers of the recorded runs that may be meant.
        """
        if after == NO_PLACE:
            return []
        if after is not None and self.calls[after].run not in runs:
            after = None
        found = []
        waiting = deque(self._children[after] if after is not None else [u for run in runs for u in self._roots[run]])
        while waiting:
            unit = waiting.popleft()
            if unit.kind == "llm" and not self._closed[unit.number]:
                found.append(unit)
            elif not self._is_served[unit.number]:
                waiting.extend(self._children.get(unit.number, ()))
        return found or (self._next_of_sequence(after, runs[0]) if len(runs) == 1 else [])

    def _next_of_sequence(self, after: int | None, run: int) -> list[Unit]:
        """Return the next model call of a run that made one after another, wherever its tool calls ran."""
        is_sequence = run not in self._is_parallel
        unit = next((unit for unit in self.unserved("llm") if unit.run == run), None) if is_sequence else None
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
        wanted = (request.kind, request.sought_name, request.key)
        return [unit for unit in self.calls if (unit.kind, unit.name, unit.key) == wanted]


def _llm_until(calls: Sequence[Unit]) -> list[int | None]:
    """Return for each unit the number of the last model call up to it in its task, itself included."""
    found: list[int | None] = []
    for unit in calls:
        before = None if unit.parent is None else found[unit.parent]
        found.append(unit.number if unit.kind == "llm" else before)
    return found


def _parallel_runs(calls: Sequence[Unit], llm_until: Sequence[int | None]) -> set[int]:
    """Return the runs that made model calls in parallel: one does not follow the previous one in the same task."""
    found = set()
    previous: dict[int, int] = {}  # by run
    for unit in calls:
        if unit.kind == "llm":
            if (None if unit.parent is None else llm_until[unit.parent]) != previous.get(unit.run):
                found.add(unit.run)
            previous[unit.run] = unit.number
    return found
