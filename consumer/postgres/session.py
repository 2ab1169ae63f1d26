"""Sessions: each opens a new connection when it has none, and sets a deadline for all work."""

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
    """One connection at a time, for one task at a time.

    The connection is opened by the first call. `timeout_s` is the deadline of each call.
    """

    def __init__(self, connect: Connect, timeout_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._store: Store | None = None

    async def run(self, work: Work[_T]) -> _T:
        """Run `work` with the connection and return its result.

        Raises:
            StoreError: a statement failed. After ConnectionLost, it may have been executed.
        """
        store = await self.connected()
        return await with_deadline(work(store), store.terminate, self._timeout_s)

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        """Run a named query and return its rows.

        Raises:
            StoreError: see `run`.
        """
        return await self.run(lambda store: store.fetch(query, *parameters))

    async def run_long(self, work: Work[_T]) -> _T:
        """Run `work`, which may take hours, and return its result.

        At the deadline, a second connection checks whether PostgreSQL still executes statements of `work`. If so, the
        deadline is extended; if not, the answer to a statement was lost, and the connection is cut.

        Raises:
            StoreError: see `run`.
        """
        store = await self.connected()
        await with_deadline(store.fetch("allow_long_statements"), store.terminate, self._timeout_s)
        (backend,) = await with_deadline(store.fetch("backend_pid"), store.terminate, self._timeout_s)

        async def is_executing() -> bool:
            second = Session(self._connect, self._timeout_s)
            try:
                return bool(await second.fetch("active_backend", backend["pid"], self._timeout_s))
            except StoreError:
                return False
            finally:
                second.close()

        return await with_deadline(work(store), store.terminate, self._timeout_s, is_executing)

    async def connected(self) -> Store:
        """Return the open connection; open a new one if there is none."""
        if self._store is None or not self._store.usable:
            self._store = await self._connect()
        return self._store

    def close(self) -> None:
        """Cut the connection. The next call opens a new one."""
        if self._store is not None:
            self._store.terminate()
            self._store = None


class PatientSession(Session):
    """A session that repeats work while PostgreSQL is unavailable. The work must be safe to execute twice.

    Gives up after `give_up_s` seconds; None repeats without end. A call has at most `give_up_s` as its deadline.
    """

    def __init__(self, connect: Connect, timeout_s: float, give_up_s: float | None) -> None:
        super().__init__(connect, timeout_s if give_up_s is None else min(timeout_s, give_up_s))
        self._give_up_s = give_up_s

    async def run(self, work: Work[_T]) -> _T:
        """Run `work` with the connection and return its result.

        Raises:
            GaveUp: PostgreSQL stayed unavailable for `give_up_s` seconds.
            UsageError: PostgreSQL still refuses the login after `give_up_s` seconds.
        """
        return await self._repeat(lambda: super(PatientSession, self).run(work))

    async def run_long(self, work: Work[_T]) -> _T:
        """Run `work`, which may take hours, and return its result.

        Raises:
            GaveUp: PostgreSQL stayed unavailable for `give_up_s` seconds.
        """
        return await self._repeat(lambda: super(PatientSession, self).run_long(work))

    async def _repeat(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        async def on_usable_connection() -> _T:
            try:
                return await attempt()
            except Unavailable:
                self.close()  # after a failover, this connection may still be to a read-only server
                raise
            except NewConnection as error:
                self.close()
                raise Unavailable(str(error)) from error

        # Each attempt has a deadline already, which `run_long` extends.
        return await retry_while_unavailable(on_usable_connection, "query PostgreSQL", self._give_up_s, cancels=False)
