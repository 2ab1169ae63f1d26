"""A deadline for the work of the service with a connection."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from agent_runs.postgres.deadline import DeadlinePassed, cut_at_deadline
from consumer.errors import ConnectionLost

_T = TypeVar("_T")


async def with_deadline(
    work: Coroutine[Any, Any, _T],
    cut: Callable[[], None],
    timeout_s: float,
    extend: Callable[[], Awaitable[bool]] | None = None,
) -> _T:
    """Run `work`, which uses one connection, and return its result.

    `cut` ends the connection without waiting for the server. With `extend`, the deadline is moved by another
    `timeout_s` each time that it passes and `extend` returns True.

    Raises:
        ConnectionLost: the deadline passed, and the connection was cut. Statements that were sent may be executed.
    """
    try:
        return await cut_at_deadline(work, cut, timeout_s, extend)
    except DeadlinePassed as error:
        raise ConnectionLost(f"no answer within {timeout_s:g} s", limit_exceeded=True) from error.__cause__
