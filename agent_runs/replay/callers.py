"""Which recorded run answers a run of the replay, if a recording has the child runs of an agent."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from itertools import count
from types import MappingProxyType
from typing import Any, Final

import msgspec

from agent_runs.events import Input
from agent_runs.replay.canonical import value_key

_numbers: Final = count()
# By the number of the caller: the unit that was served last in this task or thread. A task inherits it from the one
# that started it, as the parents of recorded events do.
_last_served: Final[ContextVar[Mapping[int, int]]] = ContextVar("agent_runs_last_served", default=MappingProxyType({}))
_MAX_CALLERS: Final = 16  # that a task remembers


class Caller(msgspec.Struct, eq=False):
    """A run of the replay that makes requests.

    Attributes:
        number: its number among all callers of the process.
        run: the number of the recorded run that answers it; None: it is not clear yet.
        is_certain: whether only this run answers it: it is the only one, or the only one with the inputs of the caller.
        inputs: the keys of its inputs so far.
        is_live: whether its model calls call the real model: it began after the place that `until` names.
        parent: the run that has started it, if this is a child run.
    """

    number: int
    run: int | None = None
    is_certain: bool = False
    inputs: list[str] = []
    is_live: bool = False
    parent: "Caller | None" = None


class Callers:
    """Finds the recorded runs that may answer a caller. The owner holds a lock.

    A run is found by its inputs. Runs with equal inputs, or without, are found by the content of their calls.

    Args:
        inputs: the inputs of each recorded run.
    """

    def __init__(self, inputs: Sequence[Sequence[Input]]) -> None:
        self._inputs = inputs
        self._keys: list[list[str]] | None = None  # made when it is needed
        self._taken: set[int] = set()

    def new(self, parent: Caller | None = None, *, is_live: bool = False) -> Caller:
        """Return a run of the replay."""
        caller = Caller(next(_numbers), is_live=is_live, parent=parent)
        if len(self._inputs) <= 1:
            caller.run, caller.is_certain = 0, True
        return caller

    def add_input(self, caller: Caller, tool: str, data: Any) -> None:
        """Note an input of a caller."""
        caller.inputs.append(_key_of(tool, data))
        fitting = [] if caller.is_certain else self._fitting(caller)
        if len(fitting) == 1 and fitting[0] not in self._taken:
            caller.run, caller.is_certain = fitting[0], True
            self._taken.add(fitting[0])

    def runs_of(self, caller: Caller) -> list[int]:
        """Return the recorded runs that may answer a caller. Not those that are certain for another one."""
        if caller.is_certain and caller.run is not None:
            return [caller.run]
        fitting = self._fitting(caller) if caller.inputs else []
        return [run for run in fitting or range(len(self._inputs)) if run not in self._taken]

    def are_told_apart(self, caller: Caller) -> bool:
        """Whether the inputs name the runs of other callers, but none for this one: so its run may be a new one."""
        return bool(self._taken and caller.inputs and not self._fitting(caller))

    def _fitting(self, caller: Caller) -> list[int]:
        if self._keys is None:
            self._keys = [[_key_of(each.tool, each.data) for each in inputs] for inputs in self._inputs]
        asked = caller.inputs
        return [run for run, keys in enumerate(self._keys) if keys[: len(asked)] == asked]


def _key_of(tool: str, data: Any) -> str:
    return value_key([tool, data])


def last_served(caller: Caller) -> int | None:
    """Return the number of the unit that was served last in this task or thread; None if there is none."""
    return _last_served.get().get(caller.number)


def keep_place(caller: Caller) -> None:
    """Let a task remember the place of a caller, and those of its parents, longer than those of other callers."""
    if caller.parent is not None:
        keep_place(caller.parent)
    number = last_served(caller)
    if number is not None:
        others = {each: served for each, served in _last_served.get().items() if each != caller.number}
        _last_served.set({**others, caller.number: number})


def note_last(caller: Caller, number: int) -> None:
    """Note the unit that was served last in this task or thread."""
    last = {**_last_served.get(), caller.number: number}
    if len(last) > _MAX_CALLERS:
        del last[next(iter(last))]
    _last_served.set(last)
