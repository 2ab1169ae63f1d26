"""The tables are in one schema, which AGENT_RUNS_SCHEMA names, whatever the search_path of a role or a database is."""

from dataclasses import replace

import pytest

from consumer.errors import UsageError
from consumer.postgres.migrations import migrate
from consumer.postgres.requirements import CONSUME, check_database
from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig
from tests.support.messages import events_of
from tests.support.scene import Scene
from tests.support.servers.clients import execute
from tests.support.servers.logins import CONSUMER, login

SCHEMAS = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = ANY ('{agent_runs,run_events,dead_letters}')"


async def _migrate(scene: Scene, schema: str = "public") -> None:
    store = await Store.connect(DatabaseConfig(url=scene.database, schema=schema), scene.topic)
    await migrate(store)
    await store.close()


async def _refused(scene: Scene, schema: str = "public") -> str:
    """Return why the database is refused."""
    store = await Store.connect(DatabaseConfig(url=scene.database, schema=schema), scene.topic)
    with pytest.raises(UsageError) as caught:
        await check_database(store, CONSUME)
    await store.close()
    return str(caught.value)


@pytest.fixture
def unmigrated(scene: Scene, empty_database: str) -> Scene:
    return replace(scene, database=empty_database)


async def test_a_schema_of_the_owners_name_and_a_search_path_have_no_effect(unmigrated: Scene) -> None:
    # Given a schema with the owner's name, which is the first of PostgreSQL's search_path, and another search_path of
    # the database, when it is migrated,
    await execute(unmigrated.database, "CREATE SCHEMA agent_runs")
    await execute(unmigrated.database, f"ALTER DATABASE {unmigrated.database_name} SET search_path = nowhere")
    await _migrate(unmigrated)
    # then all tables are in `public`, and another login consumes into them.
    assert await unmigrated.rows(SCHEMAS) == [("public",)]
    await unmigrated.publish(*events_of("run", "a"))
    async with login(unmigrated.database, CONSUMER) as url:
        await replace(unmigrated, database=url).consume()
    assert await unmigrated.rows("SELECT id FROM public.run_events") == [("a",)]


async def test_the_tables_may_be_in_a_schema_that_a_setting_names(unmigrated: Scene) -> None:
    # Given another schema, which a setting names, when it is migrated and consumed into,
    await execute(unmigrated.database, 'CREATE SCHEMA "order"')
    await _migrate(unmigrated, "order")
    await unmigrated.publish(*events_of("run", "a"))
    async with login(unmigrated.database, CONSUMER) as url:
        await replace(unmigrated, database=url).consume(AGENT_RUNS_SCHEMA="order")
    # then all tables are in it;
    assert await unmigrated.rows(SCHEMAS) == [("order",)]
    assert await unmigrated.rows('SELECT id FROM "order".run_events') == [("a",)]
    # and without the setting, it is named.
    assert "AGENT_RUNS_SCHEMA: the tables are in the schema order, not in public" in await _refused(unmigrated)


async def test_tables_that_a_search_path_has_put_into_another_schema_are_reported(scene: Scene) -> None:
    # Given a database with a table in another schema, when it is checked, then the sentence has the remedy.
    await execute(scene.database, "CREATE SCHEMA agent_runs; ALTER TABLE dead_letters SET SCHEMA agent_runs")
    assert "ALTER TABLE agent_runs.dead_letters SET SCHEMA public" in await _refused(scene)
    await execute(scene.database, "ALTER TABLE agent_runs.dead_letters SET SCHEMA public")
    await scene.consume()


async def test_a_schema_that_does_not_exist_or_may_not_be_used_is_named(scene: Scene) -> None:
    assert "CREATE SCHEMA nowhere" in await _refused(scene, "nowhere")
    async with login(scene.database, CONSUMER) as url:
        await execute(scene.database, "CREATE SCHEMA secret")
        assert "GRANT USAGE ON SCHEMA secret TO test_" in await _refused(replace(scene, database=url), "secret")
