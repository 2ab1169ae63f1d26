"""Database work with a deadline: what happens if the caller is cancelled."""

import asyncio
import gc
from typing import Any

from consumer.errors import ConnectionLost
from consumer.postgres.deadline import with_deadline


class SlowlyEndingConnection:
    """A connection whose statement ends with an error a moment after the connection was cut."""

    def __init__(self) -> None:
        self._is_cut = asyncio.Event()

    def cut(self) -> None:
        self._is_cut.set()

    async def statement(self) -> None:
        await self._is_cut.wait()
        await asyncio.sleep(0.01)
        raise ConnectionLost("cut")


async def test_the_error_of_cut_work_is_retrieved_even_if_the_caller_is_cancelled_twice() -> None:
    # Given work that a caller waits for,
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    connection = SlowlyEndingConnection()
    work: Any = asyncio.create_task(connection.statement())
    caller = asyncio.create_task(with_deadline(work, connection.cut, 10))
    await asyncio.sleep(0)
    # when the caller is cancelled, and again while it waits for the end of the work,
    for _ in range(2):
        caller.cancel()
        await asyncio.sleep(0)
    await asyncio.wait({caller, work})
    del caller, work
    gc.collect()
    # then asyncio has no error to report.
    assert unhandled == []
