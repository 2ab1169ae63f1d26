"""The models themselves, where there is no real server to compare them with."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random

import pytest

from tests.simulation.event_loop import NoProgress, VirtualLoop
from tests.simulation.postgres.tables import Tables, Transaction


@pytest.mark.parametrize("callbacks", range(6))
async def test_a_transaction_that_ends_while_it_waits_takes_no_lock(callbacks: int) -> None:
    # Given a transaction that waits for a lock,
    tables = Tables(lock_timeout_s=5)
    holder, waiter = Transaction(tables, pid=1), Transaction(tables, pid=2)
    await holder.lock("runs", ("r1",))
    waiting = asyncio.create_task(waiter.lock("runs", ("r1",)))
    await asyncio.sleep(0.01)
    # when its backend ends some callbacks after the lock was released,
    holder.rollback()
    for _ in range(callbacks):
        await asyncio.sleep(0)
    waiter.rollback()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    # then it does not hold the lock.
    assert tables.locks == {}


async def _wait_forever() -> None:
    await asyncio.get_running_loop().create_future()


async def _never_wait() -> None:
    while True:  # noqa: ASYNC110  # the test needs a task that is always ready
        await asyncio.sleep(0)


@pytest.mark.parametrize(("work", "reason"), [(_wait_forever, "deadlock"), (_never_wait, "endless callbacks")])
def test_a_schedule_without_progress_ends(work: Callable[[], Coroutine[None, None, None]], reason: str) -> None:
    loop = VirtualLoop(Random(0))  # type: ignore[abstract]  # it implements only what the service needs

    with pytest.raises(NoProgress, match=reason):
        loop.run(work())
