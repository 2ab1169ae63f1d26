"""Faults of PostgreSQL and its sessions, and of the network in front of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from signal import SIGQUIT

import asyncpg
import psutil

from deploy.local import PostgreSQL
from tests.nemesis.faults.network import NetworkFaults
from tests.nemesis.schedule import Fault, pause
from tests.support.proxy.proxy import DatabaseProxy

CONSUMER_SESSIONS = (
    "SELECT {} FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'agent-runs-consumer'"
)
SOME_RUNS = "SELECT id FROM agent_runs WHERE id >= $1 LIMIT 200 FOR UPDATE"
SOME_OFFSETS = "SELECT partition FROM consumer_offsets WHERE partition >= $1 FOR UPDATE"
ANSWER_S = 5.0


class PostgresFaults(NetworkFaults):
    """Faults of the server, its sessions and its network. `database` is the round's database, without the proxy."""

    def __init__(self, postgres: PostgreSQL, proxy: DatabaseProxy, database: str) -> None:
        super().__init__(proxy)
        self._postgres = postgres
        self._database = database

    def kinds(self) -> list[tuple[int, Fault]]:
        """The faults with their weights."""
        lost = ((3, self.writes_lost), (3, self.answers_lost))
        down = ((1, self.killed), (1, self.crashed), (1, self.restarted), (2, self.frozen))
        busy = (
            (3, self.sessions_terminated),
            (3, self.statements_cancelled),
            (2, self.read_only),
            (3, self.runs_locked),
            (3, self.offsets_locked),
        )
        return [*super().kinds(), *lost, *down, *busy]

    async def killed(self, rng: Random) -> None:
        """SIGKILL to all processes, and a start with crash recovery some time later."""
        await asyncio.to_thread(self._postgres.kill)
        await pause(rng)
        await asyncio.to_thread(self._postgres.start)

    async def crashed(self, rng: Random) -> None:
        """An immediate shutdown (SIGQUIT), and a start with crash recovery at once."""
        assert self._postgres.pid is not None
        server = psutil.Process(self._postgres.pid)
        server.send_signal(SIGQUIT)
        await asyncio.to_thread(psutil.wait_procs, [server], ANSWER_S)
        await asyncio.to_thread(self._postgres.stop)
        await asyncio.to_thread(self._postgres.start)

    async def restarted(self, rng: Random) -> None:
        """A fast shutdown, which ends all sessions, and a start at once."""
        await asyncio.to_thread(self._postgres.stop)
        await asyncio.to_thread(self._postgres.start)

    async def frozen(self, rng: Random) -> None:
        """SIGSTOP to all processes, then SIGCONT."""
        assert self._postgres.pid is not None
        server = psutil.Process(self._postgres.pid)
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            await pause(rng)
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    async def sessions_terminated(self, rng: Random) -> None:
        """pg_terminate_backend for all sessions of the consumers, one to seven times."""
        await self._each_session("pg_terminate_backend(pid)", rng)

    async def statements_cancelled(self, rng: Random) -> None:
        """pg_cancel_backend for all sessions of the consumers, one to seven times."""
        await self._each_session("pg_cancel_backend(pid)", rng)

    async def _each_session(self, function: str, rng: Random) -> None:
        async with self._session() as session:
            for _ in range(rng.randrange(1, 8)):
                await session.execute(CONSUMER_SESSIONS.format(function))
                await asyncio.sleep(rng.random() / 2)

    async def read_only(self, rng: Random) -> None:
        """Make new sessions read-only for a while, and terminate the existing ones."""
        name = self._database.rpartition("/")[2]
        async with self._session(self._postgres.url) as server:
            await server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            try:
                async with self._session() as session:
                    await session.execute(CONSUMER_SESSIONS.format("pg_terminate_backend(pid)"))
                await pause(rng)
            finally:
                await server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")

    async def runs_locked(self, rng: Random) -> None:
        """Lock up to 200 rows of agent_runs in another session."""
        await self._hold(SOME_RUNS, chr(rng.randrange(ord("A"), ord("z"))), rng)

    async def offsets_locked(self, rng: Random) -> None:
        """Lock some rows of consumer_offsets in another session."""
        await self._hold(SOME_OFFSETS, rng.randrange(4), rng)

    async def _hold(self, query: str, first: object, rng: Random) -> None:
        async with self._session() as session, session.transaction():
            await session.fetch(query, first)
            await pause(rng)

    @asynccontextmanager
    async def _session(self, url: str = "") -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        session = await asyncpg.connect(url or self._database, timeout=ANSWER_S, command_timeout=ANSWER_S)
        try:
            yield session
        finally:
            await session.close(timeout=ANSWER_S)
