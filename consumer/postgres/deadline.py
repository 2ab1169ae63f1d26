"""A deadline for the work of the service with a connection."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from agent_runs.postgres.deadline import DeadlinePassed, cut_at_deadline
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
    try:
        return await cut_at_deadline(work, store.terminate, timeout_s, extend)
    except DeadlinePassed as error:
        raise ConnectionLost(f"no answer within {timeout_s:g} s", limit_exceeded=True) from error.__cause__
