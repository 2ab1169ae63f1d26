"""Cancelling tasks that ignore the first cancellation."""

import asyncio
from contextlib import suppress

from consumer.runtime.cancellation import cancel_all


async def test_a_task_that_ignores_its_first_cancellation_is_cancelled() -> None:
    # Given a task that swallows a cancellation, as `wait_for` of Python 3.11 may,
    async def work() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    # when it is cancelled, then it ends.
    await asyncio.wait_for(cancel_all([task]), 10)
    assert task.cancelled()


async def test_the_error_of_a_cancelled_task_is_not_raised() -> None:
    async def work() -> None:
        raise ValueError("its own")

    task = asyncio.create_task(work())
    await asyncio.wait({task})
    await cancel_all([task])
    assert isinstance(task.exception(), ValueError)
