"""The reader's connections: deadlines, restarts, PgBouncer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from agent_runs.reader import DatabaseUnavailable, Reader
from tests.support.messages import event
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.servers.clients import execute
from tests.support.servers.logins import READER, login
from tests.support.servers.pgbouncer import PROGRAM, pgbouncer
from tests.support.stored_runs import insert_run
from tests.support.waiting import until

END_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'agent-runs-reader'
"""


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[DatabaseProxy]:
    """A proxy in front of the database."""
    async with DatabaseProxy(database) as proxy:
        yield proxy


async def test_a_call_after_a_restart_of_the_server_opens_a_new_connection(database: str) -> None:
    await insert_run(database, "run", 0)
    async with Reader(database, pool_size=2) as reader:
        # Given a reader with two idle connections,
        await asyncio.gather(reader.get_summary("run"), reader.get_summary("run"))
        # when their sessions end, then the next call succeeds.
        await execute(database, END_SESSIONS)
        assert await reader.get_summary("run") is not None


async def test_a_call_has_a_deadline_if_the_server_does_not_answer(database: str, proxy: DatabaseProxy) -> None:
    await insert_run(database, "run", 0)
    async with Reader(proxy.database_url, timeout_s=0.3) as reader:

        async def answers() -> bool:
            with suppress(DatabaseUnavailable):  # a busy machine may need longer to connect
                return await reader.get_summary("run") is not None
            return False

        await until(answers, "the server answers")
        # When the server stops answering, on an idle connection, then the call ends with an error,
        proxy.silent_from = b"BEGIN"
        with pytest.raises(DatabaseUnavailable, match=r"within 0\.3 s"):
            await reader.get_summary("run")
        # even if no connection can be opened;
        with pytest.raises(DatabaseUnavailable):
            await reader.get_summary("run")
        # and calls succeed once it answers again.
        proxy.heal()
        await until(answers, "the server answers again")


async def test_postgresql_ends_a_statement_that_takes_too_long(database: str) -> None:
    await insert_run(database, "run", 0)
    blocker = await asyncpg.connect(database)
    async with Reader(database, timeout_s=0.5) as reader, blocker.transaction():
        await blocker.execute("LOCK TABLE agent_runs")
        with pytest.raises(DatabaseUnavailable, match=r"statement timeout|within 0\.5 s"):
            await reader.get_summary("run")
    await blocker.close()


async def test_the_timeouts_of_a_role_do_not_end_the_readers_transactions(database: str) -> None:
    await insert_run(database, "run", 0)
    limits = {"statement_timeout": "300ms", "transaction_timeout": "300ms"}
    blocker = await asyncpg.connect(database)
    async with login(database, READER, limits) as url, Reader(url) as reader:
        await reader.get_summary("run")
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE agent_runs")
            call = asyncio.create_task(reader.get_summary("run"))
            await blocker.execute("SELECT pg_sleep(0.8)")
        assert await call is not None
    await blocker.close()


async def test_more_calls_than_connections_wait_for_their_turn(database: str) -> None:
    await insert_run(database, "run", 0, [event("a")])
    async with Reader(database, pool_size=1) as reader:
        found = await asyncio.gather(*(reader.get_run("run") for _ in range(10)))
    assert [run.id for run in found if run] == ["run"] * 10


@pytest.mark.skipif(PROGRAM is None, reason="the program `pgbouncer` is not installed")
async def test_it_works_behind_pgbouncer_in_transaction_mode(database: str, tmp_path: Path) -> None:
    # Given PgBouncer with two connections to the server, and runs,
    for number in range(5):
        await insert_run(database, f"run-{number}", number, [event(f"e{seq}") for seq in range(3)])
    async with pgbouncer(database, tmp_path, connections=2) as url, Reader(url, pool_size=5) as reader:
        # when more calls than that are made at the same time, then each gets its answer.
        for _ in range(5):
            runs = await asyncio.gather(*(reader.get_run(f"run-{number}") for number in range(5)))
            assert [len(run.events) for run in runs if run] == [3] * 5
