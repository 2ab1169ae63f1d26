"""A connection to PostgreSQL that is opened again when it was lost, with a deadline for everything sent over it."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from consumer.errors import NewConnection, StoreError, Unavailable
from consumer.postgres.deadline import with_deadline
from consumer.postgres.store import Row, Store
from consumer.runtime.retrying import retry_while_unavailable

Connect = Callable[[], Awaitable[Store]]
_T = TypeVar("_T")
Work = Callable[[Store], Coroutine[Any, Any, _T]]


class Session:
    """One connection at a time, for one task at a time. `timeout_s` is the deadline for each call of `ask`."""

    def __init__(self, connect: Connect, timeout_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._store: Store | None = None

    async def ask(self, work: Work[_T]) -> _T:
        """Run `work` with the connection and return its result.

        Raises:
            StoreError: it failed; after ConnectionLost what was sent may have been executed.
        """
        store = await self.connected()
        return await with_deadline(work(store), store, self._timeout_s)

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        """Run a named query and return its rows. Errors as of `ask`."""
        return await self.ask(lambda store: store.fetch(query, *parameters))

    async def ask_for_long(self, work: Work[_T]) -> _T:
        """Run `work`, which may take hours, and return its result.

        The deadline is extended for as long as a second connection sees that PostgreSQL executes statements of `work`.

        Raises:
            StoreError: as `ask`.
        """
        store = await self.connected()
        (backend,) = await with_deadline(store.fetch("backend_pid"), store, self._timeout_s)

        async def is_executing() -> bool:
            second = Session(self._connect, self._timeout_s)
            try:
                return bool(await second.fetch("active_backend", backend["pid"], self._timeout_s))
            except StoreError:
                return False
            finally:
                second.close()

        return await with_deadline(work(store), store, self._timeout_s, is_executing)

    async def connected(self) -> Store:
        """The open connection; a new one if there is none."""
        if self._store is None or not self._store.usable:
            self._store = await self._connect()
        return self._store

    def close(self) -> None:
        """Cut the connection. The next call opens a new one."""
        if self._store is not None:
            self._store.terminate()
            self._store = None


class PatientSession(Session):
    """A session that repeats work while PostgreSQL is unavailable: the work must allow being executed twice.

    Gives up after `give_up_s` seconds, never if that is None. No single answer is waited for longer than that.
    """

    def __init__(self, connect: Connect, timeout_s: float, give_up_s: float | None) -> None:
        super().__init__(connect, timeout_s if give_up_s is None else min(timeout_s, give_up_s))
        self._give_up_s = give_up_s

    async def ask(self, work: Work[_T]) -> _T:
        """Run `work` with the connection and return its result.

        Raises:
            GaveUp: PostgreSQL stayed unavailable.
        """
        return await self._patiently(lambda: super(PatientSession, self).ask(work))

    async def ask_for_long(self, work: Work[_T]) -> _T:
        """Run `work`, which may take hours, and return its result.

        Raises:
            GaveUp: PostgreSQL stayed unavailable.
        """
        return await self._patiently(lambda: super(PatientSession, self).ask_for_long(work))

    async def _patiently(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        async def on_a_good_connection() -> _T:
            try:
                return await attempt()
            except (NewConnection, Unavailable) as error:
                self.close()  # a session that began read-only stays read-only, whatever becomes of the server
                raise Unavailable(str(error)) from error

        return await retry_while_unavailable(on_a_good_connection, "query PostgreSQL", self._give_up_s)
