"""A deadline for database work that must not be cancelled.

asyncpg cancels a statement by a cancel request over a second connection, and waits for its answer. If the server does
not answer, that wait has no end. Here the connection is cut instead, which ends the work with an error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from consumer.errors import ConnectionLost

if TYPE_CHECKING:
    from consumer.postgres.store import Store

_T = TypeVar("_T")


async def with_deadline(
    work: Coroutine[Any, Any, _T], store: "Store", timeout_s: float, extend: Callable[[], Awaitable[bool]] | None = None
) -> _T:
    """Run `work`, which uses the connection `store`, and return its result.

    With `extend`, the deadline is moved by another `timeout_s` each time that it passes and `extend` returns True.

    Raises:
        ConnectionLost: the deadline passed, and the connection was cut. Statements that were sent may be executed.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        while not done and extend is not None and await extend():
            done, _ = await asyncio.wait({task}, timeout=timeout_s)
    except asyncio.CancelledError:
        task.add_done_callback(_retrieve_exception)  # not after the wait, which a second cancellation may end
        store.terminate()
        await asyncio.wait({task})
        raise
    if not done:
        store.terminate()
        await asyncio.wait({task})
        if task.exception() is not None:
            raise ConnectionLost(f"no answer within {timeout_s:g} s", limit_exceeded=True) from task.exception()
    return task.result()


def _retrieve_exception(task: "asyncio.Task[Any]") -> None:
    """Retrieve the exception of a task: asyncio logs exceptions that are never retrieved."""
    if not task.cancelled():
        task.exception()
