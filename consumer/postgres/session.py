"""Questions to PostgreSQL over a connection that is made anew when it was lost."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from consumer.errors import NewConnection, Unavailable
from consumer.postgres.deadline import with_deadline
from consumer.postgres.store import Store
from consumer.runtime.retrying import retry_while_unavailable

Connect = Callable[[], Awaitable[Store]]

_T = TypeVar("_T")


class Session:
    """One connection at a time; not for two tasks at a time."""

    def __init__(self, connect: Connect, timeout_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._store: Store | None = None

    async def ask(self, question: Callable[[Store], Coroutine[Any, Any, _T]]) -> _T:
        """The answer.

        Raises:
            StoreError: there is none; after ConnectionLost what was asked may have happened.
        """
        store = await self.connected()
        return await with_deadline(question(store), store, self._timeout_s)

    async def connected(self) -> Store:
        """The connection, while it is open; else a new one."""
        if self._store is None or not self._store.usable:
            self._store = await self._connect()
        return self._store

    def close(self) -> None:
        """Give the connection back; the next question makes a new one."""
        if self._store is not None:
            self._store.terminate()
            self._store = None


class PatientSession(Session):
    """The same for commands: a question is asked again for as long as PostgreSQL is away, so it must bear that."""

    def __init__(self, connect: Connect, timeout_s: float, give_up_s: float) -> None:
        super().__init__(connect, timeout_s)
        self._give_up_s = give_up_s

    async def ask(self, question: Callable[[Store], Coroutine[Any, Any, _T]]) -> _T:
        """The answer.

        Raises:
            GaveUp: PostgreSQL stayed away.
        """

        async def attempt() -> _T:
            try:
                return await super(PatientSession, self).ask(question)
            except NewConnection as error:
                self.close()
                raise Unavailable(str(error)) from error

        return await retry_while_unavailable(attempt, "ask PostgreSQL", self._give_up_s)
