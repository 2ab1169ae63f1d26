"""A deadline for database work that must not be cancelled.

Cancelling asks the server to cancel too, over a connection of its own, and waits for it: against a server that does not
answer, that wait has no end. So the connection is cut instead, and the work ends with its error.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from consumer.errors import ConnectionLost
from consumer.postgres.store import Store

_T = TypeVar("_T")


async def with_deadline(work: Coroutine[Any, Any, _T], store: Store, timeout_s: float) -> _T:
    """The result of work on this connection.

    Raises:
        ConnectionLost: it took longer, and the connection was cut.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
    except asyncio.CancelledError:
        store.terminate()
        await asyncio.wait({task})
        task.exception()  # taken notice of: nobody else will
        raise
    if not done:
        store.terminate()
        await asyncio.wait({task})
        if task.exception() is not None:
            raise ConnectionLost(f"no answer within {timeout_s:g} s") from task.exception()
    return task.result()
