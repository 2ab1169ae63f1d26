"""Chooses among recorded calls with the same name and content: a run may make a call several times."""

from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Final

from agent_runs.replay.units import Unit

# In place of the unit that was served last in a task: a call of the task was refused, because it was not clear which
# recorded one is meant; so its place is unknown until a call is answered.
NO_PLACE: Final = -1


class EqualCalls:
    """The recorded calls that have one kind, name and key, in their order.

    Args:
        calls: all units of the run.
        closed: by the number of the unit, whether it can answer a request no more. The owner changes it.
    """

    __slots__ = ("_begin", "_by_parent", "_calls", "_closed", "_is_one_part", "_units")  # there are many

    def __init__(self, calls: Sequence[Unit], closed: Sequence[bool]) -> None:
        self._calls = calls
        self._closed = closed
        self._units: list[Unit] = []
        self._begin = 0  # those before it are closed
        self._by_parent: dict[int | None, deque[Unit]] | None = None  # made when it is needed
        self._is_one_part: bool | None = None

    def add(self, unit: Unit) -> None:
        """Add the next unit of the run."""
        self._units.append(unit)

    def next(self, after: int | None, lane: str | None) -> list[Unit]:
        """Return the call that is meant; several calls if it is not clear which one; none if all have been served.

        It is the first one that the recorded run made directly after `after`, or beside it, else the first one. But if
        the run made these calls in parallel parts, or before and after `after`, and got different answers, it is not
        clear which one is meant.

        Args:
            after: the number of the unit that was served last in the task; None if there is none; or `NO_PLACE`.
            lane: calls with this lane are preferred.
        """
        first = self._first()
        if first is None:
            return []
        if len(self._units) == 1 or (first.parent == after and lane is None):
            return [first]
        if lane is not None and (in_lane := [unit for unit in self._open() if unit.lane == lane]):
            return in_lane[:1]
        following = self._first_of(self._units_by_parent().get(after)) or self._beside(after)
        return [following] if following is not None else self._elsewhere(first, after)

    def _beside(self, after: int | None) -> Unit | None:
        """Return the first call that follows the same one as `after`, such as another tool call of one model call."""
        if after is None or after == NO_PLACE or self._calls[after].kind == "llm":
            return None
        return self._first_of(self._units_by_parent().get(self._calls[after].parent))

    def _first(self) -> Unit | None:
        while self._begin < len(self._units):
            unit = self._units[self._begin]
            if not self._closed[unit.number]:
                return unit
            self._begin += 1
        return None

    def _first_of(self, units: deque[Unit] | None) -> Unit | None:
        while units:
            if not self._closed[units[0].number]:
                return units[0]
            units.popleft()
        return None

    def _open(self) -> list[Unit]:
        return [unit for unit in islice(self._units, self._begin, None) if not self._closed[unit.number]]

    def _units_by_parent(self) -> dict[int | None, deque[Unit]]:
        if self._by_parent is None:
            self._by_parent = defaultdict(deque)
            for unit in self._units:
                self._by_parent[unit.parent].append(unit)
        return self._by_parent

    def _elsewhere(self, first: Unit, after: int | None) -> list[Unit]:
        """Return the call that is meant if the recorded run made none directly after `after`."""
        if self._is_chain() and (after is None or not self._is_after(self._units[-1].parent, after)):
            return [first]
        units = self._open()
        if after == NO_PLACE:
            return units[:1] if all(unit.answer == first.answer for unit in units) else units
        # Of the part of `after`: the calls that it has left out, and those that it makes later.
        left_out = [unit for unit in units if self._is_after(after, unit.parent)]
        later = [unit for unit in units if after is not None and self._is_after(unit.parent, after)]
        own = left_out + later or units
        is_clear = self._are_in_one_part(own) and not (left_out and later)
        return own[:1] if is_clear or all(unit.answer == own[0].answer for unit in own) else own

    def _is_chain(self) -> bool:
        if self._is_one_part is None:
            self._is_one_part = self._are_in_one_part(self._units)
        return self._is_one_part

    def _are_in_one_part(self, units: Sequence[Unit]) -> bool:
        """Whether the run made the calls one after another, or all after the same call."""
        parents = [unit.parent for unit in units]
        return all(self._is_after(later, earlier) for earlier, later in pairwise(parents))

    def _is_after(self, number: int | None, earlier: int | None) -> bool:
        """Whether a unit is another one, or follows it in the same task."""
        if earlier is None:
            return True
        while number is not None and number > earlier:  # a unit has a greater number than its parent
            number = self._calls[number].parent
        return number == earlier
