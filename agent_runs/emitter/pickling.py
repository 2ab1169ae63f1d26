"""Copies and pickles of emitters and runs.

Frameworks copy and pickle the state of an agent, and the state may hold a `Run`. A copy is the object itself. Unpickled
in the process that pickled it, a pickle is the object itself too. In another process it is a new object for the same
run, whose events are published by an emitter of that process.
"""

import os
import pickle
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Self
from weakref import WeakValueDictionary

from agent_runs.ids import new_id
from agent_runs.signal_safety import reraise_from_signal_handler


class Shared:
    """The base class of objects that are shared instead of copied."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        key = (os.getpid(), self.__dict__.setdefault("_pickle_key", new_id()))
        _pickled[key] = self
        return _unpickle, (key, type(self), self._to_pickle())

    def _to_pickle(self) -> Any:
        """Return what `_from_pickle` needs in another process."""
        return {name: value for name, value in self.__dict__.items() if name != "_pickle_key"}

    @classmethod
    def _from_pickle(cls, state: Any) -> Any:
        new = cls.__new__(cls)
        new.__dict__.update(state)
        return new


# The objects that were pickled and still exist, by process and key. A forked child inherits the entries of its parent,
# whose objects may have changed since the fork; so an entry counts only in the process that made it.
_pickled: Final[WeakValueDictionary[tuple[int, str], Shared]] = WeakValueDictionary()


def _unpickle(key: tuple[int, str], shared_class: type[Shared], state: Any) -> Any:
    present = _pickled.get(key) if key[0] == os.getpid() else None
    return shared_class._from_pickle(state) if present is None else present  # noqa: SLF001


# --- the emitter that publishes the events of an unpickled run ---


class Origin(NamedTuple):
    """How an emitter was made, without its secrets.

    Attributes:
        program: the same in a process and its forked children, and different in other processes.
        number: the number of the pipeline in that process.
        emitter_class: the class of the emitter.
        mask: the mask of the emitter.
        options: the arguments of the emitter; their values are scalars.
        roles: the roles of tools, as in `SharedPipeline`.
    """

    program: str
    number: int
    emitter_class: type
    mask: Any
    options: tuple[tuple[str, object], ...]
    roles: tuple[tuple[str, str], ...] = ()

    def is_like(self, other: "Origin") -> bool:
        """Whether the emitters were made with the same arguments."""
        mine, others = (
            (each.emitter_class, each.options, each.roles, getattr(each.mask, "__qualname__", each.mask is None))
            for each in (self, other)
        )
        return mine == others

    def to_pickle(self) -> "Origin":
        """Return a copy whose mask can be pickled."""
        try:
            pickle.dumps(self.mask)
        except Exception as error:  # noqa: BLE001  # a mask is the agent's code, and a closure cannot be pickled
            reraise_from_signal_handler(error)
            return self._replace(mask=mask_all)
        return self


class SharedPipeline(Shared):
    """The base class of pipelines.

    Attributes:
        number: distinguishes the emitters of a process.
        origin: how the emitter was made; None if no emitter has opened the pipeline.
        is_closed: whether the emitter was closed.
        roles: the field `role` of the events of tools, by the name of the tool.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.origin: Origin | None = None
        self.is_closed = False
        self.roles: Mapping[str, str] = {}

    def _to_pickle(self) -> Origin | None:
        return self.origin and self.origin.to_pickle()

    @classmethod
    def _from_pickle(cls, state: Origin | None) -> Any:
        # Only the run of `current_run()` outside of all blocks has a pipeline without an origin: it is disabled.
        return find_pipeline(state) if state else cls()  # type: ignore[call-arg]


_program: Final = new_id()
_opened: Final[WeakValueDictionary[int, SharedPipeline]] = WeakValueDictionary()
_emitters: Final[list[Any]] = []  # made for unpickled runs; kept until the process ends


def set_origin(pipeline: SharedPipeline, emitter_class: type, mask: Any, options: Mapping[str, object]) -> None:
    """Remember how a pipeline was opened, so that it can be found for a pickle."""
    kept = {
        name: value
        for name, value in options.items()
        if "password" not in name and (value is None or isinstance(value, str | int | float))
    }
    # A subclass of the agent may take other arguments.
    own_class = next(each for each in emitter_class.__mro__ if each.__module__.startswith("agent_runs."))
    roles = tuple(sorted(pipeline.roles.items()))
    pipeline.origin = Origin(_program, pipeline.number, own_class, mask, tuple(sorted(kept.items())), roles)
    _opened[pipeline.number] = pipeline


def find_pipeline(origin: Origin) -> Any:
    """Return the pipeline of a pickled run in this process.

    It is that of the emitter that was pickled, if the process has it; else that of an emitter that was made with the
    same arguments; else that of a new one, with these arguments and the environment of this process.
    """

    def preference(pipeline: SharedPipeline) -> tuple[bool, bool, int]:
        found = pipeline.origin
        is_same = found is not None and found[:2] == origin[:2]
        return pipeline.is_closed, not is_same, pipeline.number

    alike = [each for each in list(_opened.values()) if each.origin and each.origin.is_like(origin)]
    if alike:
        return min(alike, key=preference)
    emitter = origin.emitter_class(mask=origin.mask, **dict(origin.options))
    _emitters.append(emitter)
    pipeline = emitter._pipeline  # noqa: SLF001
    pipeline.roles = dict(origin.roles)
    pipeline.origin = pipeline.origin._replace(roles=origin.roles)
    return pipeline


def mask_all(field: str, value: object) -> str:  # noqa: ARG001
    """Replace all content: the mask of an emitter that could not be pickled."""
    return "[masked: the mask of the emitter could not be pickled]"
