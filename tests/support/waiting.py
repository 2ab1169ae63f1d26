"""Waits for a condition with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

POLL_S = 0.03
# Generous: the machine may be busy. A test about time passes its own deadline.
DEADLINE_S = 60.0


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return once the condition holds.

    Raises:
        AssertionError: it does not hold within the deadline; the message contains `what`.
    """
    deadline = monotonic() + deadline_s
    while not await _holds(condition):
        assert monotonic() < deadline, f"not within {deadline_s:g} s: {what}"
        await asyncio.sleep(POLL_S)


async def _holds(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    answer = condition()
    return answer if isinstance(answer, bool) else await answer
