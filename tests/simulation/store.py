"""PostgreSQL as the service's connections meet it: backends that answer one question at a time, and get lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from random import Random
from typing import Any, cast

from consumer.errors import ConnectionLost, ConsumerError
from consumer.postgres.store import Row, Store
from tests.simulation.statements import QUERIES, WRITING, Rows, copy_events
from tests.simulation.tables import Tables, Transaction, refusal
from tests.simulation.virtual import TURNS, Turns

Work = Callable[[], Awaitable[Rows]]

ONE_WAY_S = 0.004  # on average
WATCH_S = 0.25


class Server:
    """The server, and what can be wrong with it.

    Attributes:
        available: whether it takes connections, and keeps them.
        read_only: whether it refuses what would write.
        slowness: how many times longer each way takes.
        armed: what happens to the next statements, one after the other; see `Backend`.
        at_commit: the same, to the next COMMITs.
        traps: by the name of a statement: what is done to the owner of the next backend that is about to execute it.
    """

    def __init__(self, rng: Random, *, lock_timeout_s: float = 0.3, idle_timeout_s: float = 2.0) -> None:
        self.rng = rng
        self.tables = Tables(lock_timeout_s)
        self.idle_timeout_s = idle_timeout_s
        self.backends: dict[int, Backend] = {}
        self.available = True
        self.read_only = False
        self.slowness = 1.0
        self.armed: list[str] = []
        self.at_commit: list[str] = []
        self.traps: dict[str, Callable[[Turns], None]] = {}
        self._pids = 0
        self._context = copy_context()

    def way_s(self) -> float:
        """How long a message is under way."""
        return self.rng.expovariate(1 / ONE_WAY_S) * self.slowness

    async def hop(self) -> None:
        """Wait for a message that is under way."""
        await asyncio.sleep(self.way_s())

    def connect(self) -> Backend:
        self._pids += 1
        backend = self.backends[self._pids] = Backend(self, self._pids, TURNS.get(None))
        return backend

    def run(self, work: Any) -> asyncio.Task[None]:
        """Work of the server's own, which goes on when the process that asked for it has died."""
        return asyncio.get_running_loop().create_task(work, context=self._context)

    def stop(self) -> None:
        """Lose every connection, and take no new one."""
        self.available = False
        for backend in list(self.backends.values()):
            backend.end()

    async def watch(self) -> None:
        """End the transactions that wait for their client for too long, for ever."""
        while True:
            await asyncio.sleep(WATCH_S)
            now = asyncio.get_running_loop().time()
            for backend in list(self.backends.values()):
                if backend.idle_since is not None and now - backend.idle_since > self.idle_timeout_s:
                    backend.end()

    def stalled(self, topic: str, partitions: Sequence[int], older_than_s: float) -> list[int]:
        """The backends whose transactions have held these offsets for so long."""
        now = asyncio.get_running_loop().time()
        holders = [self.tables.locks.get(("offsets", (topic, partition))) for partition in partitions]
        return sorted({tx.pid for tx in holders if tx is not None and now - tx.began_at > older_than_s})


class Backend:
    """The server's side of one connection. What can happen to a statement, if armed:

    "cancelled": it is, and says so. "lost before": the connection, before the statement is executed.
    "lost after": the connection, when the statement has been executed and before the client hears of it.

    Attributes:
        owner: whose connection it is.
        idle_since: when the last statement of an open transaction ended; None while one runs.
    """

    def __init__(self, server: Server, pid: int, owner: Turns | None) -> None:
        self._server = server
        self.pid = pid
        self.owner = owner
        self.alive = True
        self.in_copy = False
        self.idle_since: float | None = None
        self._client_gone = False
        self._tx: Transaction | None = None
        self._running: asyncio.Task[None] | None = None
        self._answer: asyncio.Future[Rows] | None = None

    def receive(self, name: str, work: Work, answer: asyncio.Future[Rows]) -> None:
        """Execute one statement; the answer comes when it comes."""
        self._answer = answer
        self._running = self._server.run(self._execute(name, work, answer))

    async def _execute(self, name: str, work: Work, answer: asyncio.Future[Rows]) -> None:
        self.idle_since = None
        await self._server.hop()
        if self.owner is not None and (trap := self._server.traps.pop(name, None)):
            trap(self.owner)
        armed = self._server.at_commit if name == "COMMIT" and self._server.at_commit else self._server.armed
        trouble = armed.pop(0) if armed else ""
        if trouble == "lost before":
            self.end()
            return
        rows, error = await self._outcome(work, trouble)
        if trouble == "lost after" or self._client_gone:
            self.end()
            return
        self._running = None
        self.idle_since = asyncio.get_running_loop().time() if self._tx is not None and not self.in_copy else None
        asyncio.get_running_loop().call_later(self._server.way_s(), _deliver, answer, rows, error)

    async def _outcome(self, work: Work, trouble: str) -> tuple[Rows, ConsumerError | None]:
        try:
            if trouble == "cancelled":
                raise refusal("57014", "canceling statement due to user request")
            return await work(), None
        except ConsumerError as error:
            if self._tx is not None:
                self._tx.failed = True
            return [], error

    # --- statements ---

    async def begin(self) -> Rows:
        self._tx = Transaction(self._server.tables, self.pid)
        return []

    async def commit(self) -> Rows:
        assert self._tx is not None
        self._end_transaction(commit=not self._tx.failed)
        return []

    async def rollback(self) -> Rows:
        self._end_transaction(commit=False)
        return []

    async def query(self, name: str, parameters: Sequence[Any]) -> Rows:
        """Within the open transaction, or in one of its own."""
        if name == "terminate_stalled_owner":
            return self._terminate_stalled_owner(*parameters)
        if self._server.read_only and name in WRITING:
            raise refusal("25006", "cannot execute in a read-only transaction")
        alone = self._tx is None
        tx = self._tx = self._tx or Transaction(self._server.tables, self.pid)
        if tx.failed:
            raise refusal("25P02", "current transaction is aborted")
        try:
            rows = await QUERIES[name](tx, *parameters)
        except ConsumerError:
            if alone:
                self._end_transaction(commit=False)
            raise
        if alone:
            self._end_transaction(commit=True)
        return rows

    async def begin_copy(self) -> Rows:
        if self._server.read_only:
            raise refusal("25006", "cannot execute COPY FROM in a read-only transaction")
        self.in_copy = True
        return []

    async def end_copy(self, stream: bytes) -> Rows:
        self.in_copy = False
        assert self._tx is not None
        return await copy_events(self._tx, stream)

    def _terminate_stalled_owner(
        self, topic: str, partitions: Sequence[int], application: str, older_than_s: float
    ) -> Rows:
        pids = [pid for pid in self._server.stalled(topic, partitions, older_than_s) if pid != self.pid]
        for pid in pids:
            self._server.backends[pid].end()
        return [{"pid": pid} for pid in pids]

    # --- ends ---

    def _end_transaction(self, *, commit: bool) -> None:
        tx, self._tx = self._tx, None
        self.in_copy = False
        if tx is not None and commit:
            tx.commit()
        elif tx is not None:
            tx.rollback()

    def hang_up(self) -> None:
        """The client is gone: noticed when the statement that runs has ended, or a moment later."""
        self._client_gone = True
        if self._running is None and self.alive:
            self._server.run(self._notice())

    async def _notice(self) -> None:
        await self._server.hop()
        self.end()

    def end(self) -> None:
        """Die, here and now."""
        if not self.alive:
            return
        self.alive = False
        self.idle_since = None
        del self._server.backends[self.pid]
        if self._running is not None and self._running is not asyncio.current_task():
            self._running.cancel()
        self._end_transaction(commit=False)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionLost("the connection was lost"))


def _deliver(answer: asyncio.Future[Rows], rows: Rows, error: ConsumerError | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(rows)


class _Scope(AbstractAsyncContextManager[None]):
    def __init__(self, store: ModelStore) -> None:
        self._store = store

    async def __aenter__(self) -> None:
        await self._store.ask("BEGIN", self._store.backend.begin)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._store.ask("COMMIT", self._store.backend.commit)
        elif self._store.usable:
            await self._store.ask("ROLLBACK", self._store.backend.rollback)


class ModelStore(Store):
    """One connection."""

    def __init__(self, server: Server, topic: str) -> None:
        self.topic = topic
        self.backend = server.connect()
        self._terminated = False

    @classmethod
    async def open(cls, server: Server, topic: str) -> ModelStore:
        await server.hop()
        if not server.available:
            raise refusal("57P03", "the database system is starting up")
        store = cls(server, topic)
        try:
            await server.hop()
        except asyncio.CancelledError:
            store.terminate()
            raise
        return store

    @property
    def usable(self) -> bool:
        return self.backend.alive and not self._terminated

    def terminate(self) -> None:
        if self.usable:
            self._terminated = True
            self.backend.hang_up()
            answer = self.backend._answer
            if answer is not None and not answer.done():
                answer.set_exception(ConnectionLost("the connection was cut"))

    async def close(self) -> None:
        self.terminate()

    async def ask(self, name: str, work: Work) -> Rows:
        if not self.usable:
            raise ConnectionLost("the connection is closed")
        answer: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        self.backend.receive(name, work, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            self.terminate()
            raise

    async def fetch(self, query: str, *parameters: object) -> list[Row]:
        return cast("list[Row]", await self.ask(query, lambda: self.backend.query(query, parameters)))

    def transaction(self) -> AbstractAsyncContextManager[None]:  # type: ignore[override]  # another of its kind
        return _Scope(self)

    async def copy_events(self, stream: AsyncIterator[bytes]) -> None:
        await self.ask("COPY", self.backend.begin_copy)
        pieces = [piece async for piece in stream]
        await self.ask("COPY data", lambda: self.backend.end_copy(b"".join(pieces)))
