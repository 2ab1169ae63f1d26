"""A PostgreSQL that accepts a session and then stops answering: every command gives up, and `run` waits for it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from consumer.errors import GaveUp
from consumer.postgres.session import PatientSession
from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig
from deploy.local.ports import free_port
from tests.support.health import wait_until_healthy, wait_until_unhealthy
from tests.support.messages import events_of
from tests.support.proxy.proxy import DatabaseProxy
from tests.support.scene import Scene
from tests.support.servers.clients import execute

# A command gives up after about two seconds: one for its start, one without an answer.
SETTINGS = {
    "AGENT_RUNS_GIVE_UP_S": "1",
    "AGENT_RUNS_DATABASE_TIMEOUT_S": "0.5",
    "AGENT_RUNS_CONNECT_TIMEOUT_S": "5",
    "AGENT_RUNS_SHUTDOWN_TIMEOUT_S": "1",
}
# With the start of the processes, which takes seconds on a busy machine. By default a command gives up after minutes.
ENDS_WITHIN_S = 30.0

MIGRATE = ("migrate",)
VERIFY = ("verify",)
VERIFY_TOPIC = ("verify", "--topic")
SHOW = ("offsets", "show")
ACCEPT = ("offsets", "accept-loss", "--partition", "0", "--by", "Ada")
UNTIL_END = ("run", "--until-end")
DEAD_LETTERS = ("dead-letters", "list")

# The first statement that is not answered, by a part of its text, and the commands that execute it.
FIRST_STATEMENT = b"server_version_num"
SILENT_FROM = {
    FIRST_STATEMENT: (MIGRATE, VERIFY, SHOW, ACCEPT, UNTIL_END, DEAD_LETTERS),
    b"SELECT partition, first_offset": (VERIFY_TOPIC, SHOW, ACCEPT, UNTIL_END),
    b"FROM agent_runs AS r": (VERIFY,),
    b"pg_advisory_lock": (MIGRATE,),
    b"pg_advisory_unlock": (MIGRATE,),
}


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[DatabaseProxy]:
    """A proxy in front of the database."""
    async with DatabaseProxy(database) as proxy:
        yield proxy


async def _gives_up(scene: Scene, command: tuple[str, ...], url: str) -> None:
    finished = await asyncio.wait_for(scene.command(*command, **SETTINGS, DATABASE_URL=url), ENDS_WITHIN_S)
    assert finished.exit_code == 4, f"{command}:\n{finished.output}"


@pytest.mark.parametrize("statement", SILENT_FROM, ids=bytes.decode)
async def test_every_command_gives_up_when_a_statement_is_not_answered(
    scene: Scene, proxy: DatabaseProxy, statement: bytes
) -> None:
    # Given stored events, and a server that stops answering at a statement,
    await scene.publish(*events_of("run", "a"))
    await scene.consume()
    proxy.silent_from = statement
    # when commands execute that statement, then each ends with exit code 4.
    await asyncio.gather(*(_gives_up(scene, command, proxy.database_url) for command in SILENT_FROM[statement]))


@pytest.mark.parametrize("statement", [b"FROM pg_tables", b"CREATE TABLE agent_runs"], ids=bytes.decode)
async def test_migrate_gives_up_when_a_migration_is_not_answered_and_can_be_repeated(
    scene: Scene, proxy: DatabaseProxy, statement: bytes
) -> None:
    # Given a database without tables, whose server stops answering before or in the first migration,
    await execute(scene.database, "DROP SCHEMA public CASCADE")
    await execute(scene.database, "CREATE SCHEMA public")
    proxy.silent_from = statement
    # when it is migrated, then the command ends with exit code 4;
    await _gives_up(scene, MIGRATE, proxy.database_url)
    # and it succeeds when the server answers again.
    proxy.heal()
    finished = await scene.command("migrate", DATABASE_URL=proxy.database_url)
    assert (finished.exit_code, "0001-first-schema" in finished.output) == (0, True), finished.output


async def test_a_long_statement_has_no_deadline_while_the_server_executes_it(
    proxy: DatabaseProxy,
) -> None:
    # Given a session whose deadline is shorter than a statement,
    config = DatabaseConfig(url=proxy.database_url)
    session = PatientSession(lambda: Store.connect(config, "t"), timeout_s=0.2, give_up_s=ENDS_WITHIN_S)
    # when the server executes the statement, then the session waits for its end. (On a busy machine, the session may
    # need a second attempt, because the statement before it has the same deadline.)
    await session.run_long(lambda store: store.execute_script("SELECT pg_sleep(1)"))
    session.close()
    # When the statement does not reach the server, then the session gives up.
    session = PatientSession(lambda: Store.connect(config, "t"), timeout_s=0.2, give_up_s=0.2)
    proxy.silent_from = b"pg_sleep"
    with pytest.raises(GaveUp):
        await asyncio.wait_for(
            session.run_long(lambda store: store.execute_script("SELECT pg_sleep(1)")), ENDS_WITHIN_S
        )
    session.close()


@pytest.mark.parametrize("statement", [FIRST_STATEMENT, b"SELECT partition, first_offset"], ids=bytes.decode)
async def test_run_waits_for_a_database_that_does_not_answer_and_continues_when_it_does(
    scene: Scene, proxy: DatabaseProxy, statement: bytes
) -> None:
    # Given a server that does not answer while a consumer starts,
    await scene.publish(*events_of("run", "a", "b"))
    proxy.silent_from = statement
    port = free_port()
    settings = {**SETTINGS, "AGENT_RUNS_STALL_S": "1", "AGENT_RUNS_HTTP_PORT": str(port)}
    consumer = scene.start(**settings, DATABASE_URL=proxy.database_url)
    # when it has waited longer than a command would, then it is unhealthy and still retries.
    await consumer.wait_for_action("wait", times=3)
    await wait_until_unhealthy(port, "")
    # When the server answers again, then it stores the events and is healthy.
    proxy.heal()
    await scene.wait_for_events("run", "a", "b")
    await wait_until_healthy(port)
    await consumer.terminate()
