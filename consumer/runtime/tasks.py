"""Ending tasks."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

_CANCEL_AGAIN_S: Final = 0.5


async def cancel_all(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks until they have ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11, which aiokafka uses too, forgets that it was cancelled when
    the answer comes in the same moment.
    """
    while running := {task for task in tasks if not task.done()}:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
