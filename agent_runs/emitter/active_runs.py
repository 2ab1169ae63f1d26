"""The runs whose blocks the current task or thread is in, innermost first. A task that is started inherits them."""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from agent_runs.emitter.run import Run

_P = ParamSpec("_P")
_R = TypeVar("_R")


class _Active(NamedTuple):
    run: Run
    outer: _Active | None


_innermost: ContextVar[_Active | None] = ContextVar("agent_runs_active", default=None)


def innermost_run() -> Run | None:
    """Return the run of the innermost block; None outside of all blocks."""
    active = _innermost.get()
    return active.run if active else None


def enter(run: Run) -> None:
    """Begin a block of the run in this context."""
    _innermost.set(_Active(run, _innermost.get()))


def leave(run: Run) -> None:
    """End the innermost block of the run in this context, and the blocks inside it that were left open.

    A block can end in another context than it began in, as that of an asynchronous generator that is finalised does. If
    this context has no block of the run, nothing changes.
    """
    active = _innermost.get()
    while active and active.run is not run:
        active = active.outer
    if active:
        _innermost.set(active.outer)


def call_in_context(
    function: Callable[_P, _R], context: Context, to_pickle: Callable[[], tuple[Any, ...]]
) -> Callable[_P, _R]:
    """Return a function that calls `function` in a copy of the context. Several calls may run at the same time.

    `to_pickle` returns how to make the function in another process, as `__reduce__` does.
    """
    wrapper: Any
    if inspect.iscoroutinefunction(function):

        async def wrapper(*arguments: Any, **keywords: Any) -> Any:
            import asyncio  # noqa: PLC0415  # an agent that calls it has loaded asyncio already

            call = function(*arguments, **keywords)
            return await asyncio.get_running_loop().create_task(call, context=context.copy())

    else:
        wrapper = _CallInContext(function, context, to_pickle)

    return cast("Callable[_P, _R]", wraps(function)(wrapper))


class _CallInContext:
    """Calls a function in a copy of a context. Not a closure, because a pool of processes pickles it."""

    def __init__(
        self, function: Callable[..., Any], context: Context, to_pickle: Callable[[], tuple[Any, ...]]
    ) -> None:
        self._function = function
        self._context = context
        self._to_pickle = to_pickle

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._context.copy().run(self._function, *arguments, **keywords)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._to_pickle()
