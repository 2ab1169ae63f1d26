"""What is done to PostgreSQL, to its sessions, and to the wire in front of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from signal import SIGQUIT

import asyncpg
import psutil

from deploy.local import PostgreSQL
from tests.nemesis.faults.network import OfWires
from tests.nemesis.schedule import Strike, pause
from tests.support.proxy.proxy import DatabaseProxy

OURS = "SELECT {} FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'agent-runs-consumer'"
SOME_RUNS = "SELECT id FROM agent_runs WHERE id >= $1 LIMIT 200 FOR UPDATE"
SOME_OFFSETS = "SELECT partition FROM consumer_offsets WHERE partition >= $1 FOR UPDATE"
ANSWER_S = 5.0


class OfPostgres(OfWires):
    """Faults of PostgreSQL; each is over when it returns. `database` is the round's, past the wire."""

    def __init__(self, postgres: PostgreSQL, wire: DatabaseProxy, database: str) -> None:
        super().__init__(wire)
        self._postgres = postgres
        self._database = database

    def kinds(self) -> list[tuple[int, Strike]]:
        """With their weights."""
        lost = ((3, self.changes_are_lost), (3, self.answers_are_lost))
        down = ((1, self.killed), (1, self.crashed), (1, self.restarted), (2, self.frozen))
        busy = ((3, self.terminated), (3, self.cancelled), (2, self.read_only), (3, self.locked), (3, self.fenced))
        return [*super().kinds(), *lost, *down, *busy]

    async def killed(self, rng: Random) -> None:
        """SIGKILL to all its processes, and crash recovery some time later."""
        await asyncio.to_thread(self._postgres.kill)
        await pause(rng)
        await asyncio.to_thread(self._postgres.start)

    async def crashed(self, rng: Random) -> None:
        """An immediate stop, and crash recovery."""
        assert self._postgres.pid is not None
        server = psutil.Process(self._postgres.pid)
        server.send_signal(SIGQUIT)
        await asyncio.to_thread(psutil.wait_procs, [server], ANSWER_S)
        await asyncio.to_thread(self._postgres.stop)
        await asyncio.to_thread(self._postgres.start)

    async def restarted(self, rng: Random) -> None:
        """A fast stop: sessions are ended. Up again at once."""
        await asyncio.to_thread(self._postgres.stop)
        await asyncio.to_thread(self._postgres.start)

    async def frozen(self, rng: Random) -> None:
        """SIGSTOP to all its processes."""
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

    async def terminated(self, rng: Random) -> None:
        """pg_terminate_backend, again and again, wherever the sessions are in a transaction."""
        await self._each_session("pg_terminate_backend(pid)", rng)

    async def cancelled(self, rng: Random) -> None:
        """pg_cancel_backend, the same."""
        await self._each_session("pg_cancel_backend(pid)", rng)

    async def _each_session(self, function: str, rng: Random) -> None:
        async with self._session() as session:
            for _ in range(rng.randrange(1, 8)):
                await session.execute(OURS.format(function))
                await asyncio.sleep(rng.random() / 2)

    async def read_only(self, rng: Random) -> None:
        """New sessions may not write for a while, and old ones are ended."""
        name = self._database.rpartition("/")[2]
        async with self._session(self._postgres.url) as server:
            await server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            try:
                async with self._session() as session:
                    await session.execute(OURS.format("pg_terminate_backend(pid)"))
                await pause(rng)
            finally:
                await server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")

    async def locked(self, rng: Random) -> None:
        """Another session holds some runs."""
        await self._hold(SOME_RUNS, chr(rng.randrange(ord("A"), ord("z"))), rng)

    async def fenced(self, rng: Random) -> None:
        """Another session holds some offsets."""
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
