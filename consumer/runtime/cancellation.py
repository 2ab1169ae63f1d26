"""Cancels tasks reliably."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

_CANCEL_AGAIN_S: Final = 0.5


async def cancel_all(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks and wait until all of them have ended. Their errors are ignored.

    Repeats the cancellation: `asyncio.wait_for` of Python 3.11, which aiokafka uses too, ignores a cancellation that
    arrives together with the result.
    """
    while running := {task for task in tasks if not task.done()}:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
