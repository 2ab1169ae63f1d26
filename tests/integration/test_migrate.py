"""`migrate` can be run at any time, and several times at once, without changing an up-to-date database."""

import asyncio
from dataclasses import replace

import pytest

from tests.support.messages import events_of
from tests.support.scene import Scene
from tests.support.servers.clients import connect, execute


@pytest.fixture
def unmigrated(scene: Scene, empty_database: str) -> Scene:
    """A scene whose database has no tables yet."""
    return replace(scene, database=empty_database)


async def test_migrating_twice_changes_nothing_the_second_time(unmigrated: Scene) -> None:
    # Given a migrated database with rows,
    first = await unmigrated.command("migrate")
    assert (first.exit_code, "0001-first-schema" in first.output) == (0, True), first.output
    await unmigrated.publish(*events_of("run", "a"))
    await unmigrated.consume()
    # when it is migrated again, then the command reports nothing to do, and the rows are still there.
    second = await unmigrated.command("migrate")
    assert (second.exit_code, "up to date" in second.output) == (0, True), second.output
    assert await unmigrated.event_ids("run") == ["a"]


async def test_concurrent_migrations_apply_each_migration_once(unmigrated: Scene) -> None:
    # Given an empty database, when several replicas migrate it at once,
    finished = await asyncio.gather(*(unmigrated.command("migrate") for _ in range(3)))
    # then all succeed, and each migration was applied once.
    assert [command.exit_code for command in finished] == [0, 0, 0], finished
    assert sum("0001-first-schema" in command.output for command in finished) == 1
    assert sum("up to date" in command.output for command in finished) == 2


async def test_a_database_of_another_encoding_is_refused(scene: Scene, latin_database: str) -> None:
    # Given a database whose encoding cannot store every string, when it is migrated, then the command refuses it.
    finished = await replace(scene, database=latin_database).command("migrate")
    assert finished.exit_code == 2, finished.output
    assert "ENCODING 'UTF8'" in finished.output


async def test_a_migration_that_gets_no_lock_names_the_session_that_holds_it(scene: Scene) -> None:
    # Given a database without its last migrations, and a session that has locked a table,
    await execute(scene.database, "DROP TABLE dead_letter_history")
    await execute(scene.database, "DELETE FROM _pogo_migration WHERE migration_id = '0002-dead-letter-history'")
    settings = {"AGENT_RUNS_GIVE_UP_S": "3", "AGENT_RUNS_LOCK_TIMEOUT_S": "0.2"}
    async with connect(scene.database) as other, other.transaction():
        await other.execute("SET application_name = 'report'")
        await other.execute("LOCK TABLE dead_letters")
        pid = other.get_server_pid()
        # when it is migrated, then the command gives up, and names the session;
        blocked = await scene.command("migrate", **settings)
        assert blocked.exit_code == 4, blocked.output
        error = blocked.output[blocked.output.index("error: ") :]
        assert f"Sessions with locks on tables: pid {pid} (report, idle in transaction for " in error
    # and when the lock is released, then it succeeds.
    migrated = await scene.command("migrate")
    assert (migrated.exit_code, "0002-dead-letter-history" in migrated.output) == (0, True), migrated.output
