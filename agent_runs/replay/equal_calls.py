"""Chooses among recorded calls with the same name and content: a run may make a call several times."""

from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import pairwise

from agent_runs.replay.units import Unit


class EqualCalls:
    """The recorded calls that have one kind, name and key, in their order.

    Args:
        calls: all units of the run.
        closed: by the number of the unit, whether it can answer a request no more. The owner changes it.
    """

    def __init__(self, calls: Sequence[Unit], closed: Sequence[bool]) -> None:
        self._calls = calls
        self._closed = closed
        self._units: deque[Unit] = deque()
        self._by_parent: dict[int | None, deque[Unit]] | None = None  # made when it is needed
        self._is_chain: bool | None = None

    def add(self, unit: Unit) -> None:
        """Add the next unit of the run."""
        self._units.append(unit)

    def next(self, after: int | None, lane: str | None) -> list[Unit]:
        """Return the call that is meant; several calls if it is not clear which one; none if all have been served.

        It is the first one that the recorded run made directly after `after`. If there is none, it is the first one,
        unless the run made these calls in parallel parts and got different answers.

        Args:
            after: the number of the unit that was served last in the task; None if there is none.
            lane: calls with this lane are preferred.
        """
        first = self._first_of(self._units)
        if first is None:
            return []
        if len(self._units) == 1 or (first.parent == after and lane is None):
            return [first]
        if lane is not None and (in_lane := [unit for unit in self._open() if unit.lane == lane]):
            return in_lane[:1]
        following = self._first_of(self._units_by_parent().get(after))
        return [following] if following is not None else self._elsewhere(first, after)

    def _first_of(self, units: deque[Unit] | None) -> Unit | None:
        while units:
            if not self._closed[units[0].number]:
                return units[0]
            units.popleft()
        return None

    def _open(self) -> list[Unit]:
        return [unit for unit in self._units if not self._closed[unit.number]]

    def _units_by_parent(self) -> dict[int | None, deque[Unit]]:
        if self._by_parent is None:
            self._by_parent = defaultdict(deque)
            for unit in self._units:
                self._by_parent[unit.parent].append(unit)
        return self._by_parent

    def _elsewhere(self, first: Unit, after: int | None) -> list[Unit]:
        """Return the call that is meant if the recorded run made none directly after `after`."""
        if self._is_chain is None:
            self._is_chain = self._are_in_one_part(self._units)
        if self._is_chain:
            return [first]
        units = self._open()
        below = [unit for unit in units if after is not None and self._is_after(unit.parent, after)] or units
        is_same = all(unit.answer == below[0].answer for unit in below)
        return below[:1] if is_same or self._are_in_one_part(below) else below

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
