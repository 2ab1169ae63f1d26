"""A model of the PostgreSQL server: its backends execute one statement at a time, and can lose their connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from random import Random
from typing import Any

from consumer.errors import ConnectionLost, ConsumerError
from tests.simulation.event_loop import PROCESS, Process
from tests.simulation.postgres.queries import QUERIES, WRITING, Rows, copy_events
from tests.simulation.postgres.tables import Tables, Transaction, sql_error

Work = Callable[[], Awaitable[Rows]]

ONE_WAY_S = 0.004  # on average
WATCH_S = 0.25


class Server:
    """The server, and its current faults.

    Attributes:
        available: whether it accepts connections.
        read_only: whether it refuses statements that write.
        slowness: the factor by which messages take longer.
        statement_faults: the faults of the next statements, in order; see `Backend`.
        commit_faults: the faults of the next COMMITs, in order; see `Backend`.
        step_faults: by statement name, a function that is called once, with the process whose backend is about to
            execute that statement.
    """

    def __init__(self, rng: Random, *, lock_timeout_s: float = 0.3, idle_timeout_s: float = 2.0) -> None:
        self.rng = rng
        self.tables = Tables(lock_timeout_s)
        self.idle_timeout_s = idle_timeout_s
        self.backends: dict[int, Backend] = {}
        self.available = True
        self.read_only = False
        self.slowness = 1.0
        self.statement_faults: list[str] = []
        self.commit_faults: list[str] = []
        self.step_faults: dict[str, Callable[[Process], None]] = {}
        self._pids = 0
        self._context = copy_context()

    def delay_s(self) -> float:
        """The duration of one message, drawn."""
        return self.rng.expovariate(1 / ONE_WAY_S) * self.slowness

    async def network_delay(self) -> None:
        """Wait as long as one message takes."""
        await asyncio.sleep(self.delay_s())

    def connect(self) -> Backend:
        self._pids += 1
        backend = self.backends[self._pids] = Backend(self, self._pids, PROCESS.get(None))
        return backend

    def run(self, work: Any) -> asyncio.Task[None]:
        """Run work in the server's own context, so that it continues when the client process is killed."""
        return asyncio.get_running_loop().create_task(work, context=self._context)

    def stop(self) -> None:
        """Close every connection, and accept no new one."""
        self.available = False
        for backend in list(self.backends.values()):
            backend.end()

    async def watch(self) -> None:
        """End backends that exceed idle_in_transaction_session_timeout. Runs until cancelled."""
        while True:
            await asyncio.sleep(WATCH_S)
            now = asyncio.get_running_loop().time()
            for backend in list(self.backends.values()):
                if backend.idle_since is not None and now - backend.idle_since > self.idle_timeout_s:
                    backend.end()

    def stalled(self, topic: str, partitions: Sequence[int], older_than_s: float) -> list[int]:
        """The pids of backends whose transactions have held a lock on these offsets for longer than `older_than_s`."""
        now = asyncio.get_running_loop().time()
        holders = [self.tables.locks.get(("offsets", (topic, partition))) for partition in partitions]
        return sorted({tx.pid for tx in holders if tx is not None and now - tx.began_at > older_than_s})


class Backend:
    """The server's side of one connection.

    Three faults can hit a statement. "cancelled": it fails with query_canceled. "lost before": the connection is lost
    before the statement is executed. "lost after": the connection is lost after the statement was executed and before
    its result is sent.

    Attributes:
        owner: the process that has opened the connection.
        idle_since: when the last statement of an open transaction ended; None while a statement runs.
    """

    def __init__(self, server: Server, pid: int, owner: Process | None) -> None:
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
        """Start to execute one statement; its result or error is set on `answer`."""
        self._answer = answer
        self._running = self._server.run(self._execute(name, work, answer))

    async def _execute(self, name: str, work: Work, answer: asyncio.Future[Rows]) -> None:
        self.idle_since = None
        await self._server.network_delay()
        if self.owner is not None and (step_fault := self._server.step_faults.pop(name, None)):
            step_fault(self.owner)
        faults = self._server.statement_faults
        if name == "COMMIT" and self._server.commit_faults:
            faults = self._server.commit_faults
        fault = faults.pop(0) if faults else ""
        if fault == "lost before":
            self.end()
            return
        rows, error = await self._outcome(work, fault)
        if fault == "lost after" or self._client_gone:
            self.end()
            return
        self._running = None
        self.idle_since = asyncio.get_running_loop().time() if self._tx is not None and not self.in_copy else None
        asyncio.get_running_loop().call_later(self._server.delay_s(), _deliver, answer, rows, error)

    async def _outcome(self, work: Work, fault: str) -> tuple[Rows, ConsumerError | None]:
        try:
            if fault == "cancelled":
                raise sql_error("57014", "canceling statement due to user request")
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
        """Execute a named query in the open transaction, or in a transaction of its own."""
        if name == "terminate_stalled_owner":
            return self._terminate_stalled_owner(*parameters)
        if self._server.read_only and name in WRITING:
            raise sql_error("25006", "cannot execute in a read-only transaction")
        alone = self._tx is None
        tx = self._tx = self._tx or Transaction(self._server.tables, self.pid)
        if tx.failed:
            raise sql_error("25P02", "current transaction is aborted")
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
            raise sql_error("25006", "cannot execute COPY FROM in a read-only transaction")
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

    # --- the end of transactions and connections ---

    def _end_transaction(self, *, commit: bool) -> None:
        tx, self._tx = self._tx, None
        self.in_copy = False
        if tx is not None and commit:
            tx.commit()
        elif tx is not None:
            tx.rollback()

    def hang_up(self) -> None:
        """The client has closed the connection. The backend ends after the running statement, or a moment later."""
        self._client_gone = True
        if self._running is None and self.alive:
            self._server.run(self._end_after_delay())

    async def _end_after_delay(self) -> None:
        await self._server.network_delay()
        self.end()

    def end(self) -> None:
        """End the backend at once: roll back, release its locks, and close the connection."""
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
