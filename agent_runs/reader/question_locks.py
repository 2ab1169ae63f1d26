"""Locks of questions in PostgreSQL: of several programs that answer questions, one at a time answers a question."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from agent_runs.reader.connections import Connections
from agent_runs.reader.errors import DatabaseUnavailable
from agent_runs.reader.queries import QUERIES
from agent_runs.reader.settings import ReaderSettings

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

_MAX_HELD: Final = 8  # at a time; each needs a connection
_MAX_HOLD_S: Final = 20.0


class QuestionLocks:
    """Locks that last as long as a transaction: PostgreSQL ends them with the process, and poolers allow them.

    They need no right. Programs on different servers, such as a replica, do not see each other's locks.

    Args:
        settings: where PostgreSQL is. `timeout_s` is the deadline for an answer to whether a question is locked.
    """

    def __init__(self, settings: ReaderSettings) -> None:
        self._timeout_s = settings.timeout_s
        # Connections of their own: the others are for readers that wait for an answer.
        self._connections = Connections(replace(settings, timeout_s=_MAX_HOLD_S), _MAX_HELD)

    @asynccontextmanager
    async def hold(self, run_id: str, question_id: str) -> AsyncIterator[bool]:
        """Lock a question during the block, for 18 s at most; False: another program has locked it.

        Raises:
            ReaderError: PostgreSQL did not answer.
        """
        locked: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        released = asyncio.Event()

        async def lock(connection: "Connection") -> None:
            row = await connection.fetchrow(QUERIES["lock_question"], run_id, question_id)
            if row is not None and not locked.done():
                locked.set_result(row["is_locked"])
            await released.wait()

        task = asyncio.create_task(self._connections.run(lock))
        either: set[asyncio.Future[Any]] = {task, locked}
        try:
            await asyncio.wait(either, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not locked.done():
                if task.done():
                    await task  # raises
                raise DatabaseUnavailable(f"PostgreSQL did not answer within {self._timeout_s:g} s")
            yield locked.result()
        finally:
            released.set()
            if not locked.done():
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()
