"""A deadline for database work that must not be cancelled.

asyncpg cancels a statement by a cancel request over a second connection, and waits for its answer. If the server does
not answer, that wait has no end. Here the connection is cut instead, which ends the work with an error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class DeadlinePassed(Exception):
    """The deadline passed, and the connection was cut. Statements that were sent may be executed."""


async def cut_at_deadline(
    work: Coroutine[Any, Any, _T],
    cut: Callable[[], None],
    timeout_s: float,
    extend: Callable[[], Awaitable[bool]] | None = None,
) -> _T:
    """Run `work`, which uses one connection, and return its result.

    With `extend`, the deadline is moved by another `timeout_s` each time that it passes and `extend` returns True.

    Args:
        work: the work.
        cut: ends the connection without waiting for the server. Called at the deadline, and if the caller is cancelled.
        timeout_s: the deadline, from now on.
        extend: see above.

    Raises:
        DeadlinePassed: its cause is the error of the work.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        while not done and extend is not None and await extend():
            done, _ = await asyncio.wait({task}, timeout=timeout_s)
    except asyncio.CancelledError:
        task.add_done_callback(_retrieve_exception)  # not after the wait, which a second cancellation may end
        cut()
        await asyncio.wait({task})
        raise
    if not done:
        cut()
        await asyncio.wait({task})
        if task.exception() is not None:
            raise DeadlinePassed from task.exception()
    return task.result()


def _retrieve_exception(task: "asyncio.Task[Any]") -> None:
    """Retrieve the exception of a task: asyncio logs exceptions that are never retrieved."""
    if not task.cancelled():
        task.exception()
