"""A database that takes no writes for a while, as one does while it is being moved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.scene import Scene
from tests.support.servers.clients import execute
from tests.support.workloads.background import load

READ_ONLY = "SQLSTATE 25006"


async def test_a_database_that_becomes_read_only_is_waited_for_and_no_record_is_blamed(scene: Scene, seed: int) -> None:
    # Given a consumer at work,
    consumer = scene.start()
    async with load(scene, seed):
        await scene.stores_more()
        # when its database takes no writes,
        async with _read_only(scene):
            await scene.terminate_backends()  # a session has the default that it began with
            await consumer.says(READ_ONLY, times=3)
        # then it works on as soon as there is one that does.
        await scene.stores_more()
    await scene.drained()
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters


async def test_a_consumer_that_starts_on_a_read_only_database_begins_when_it_may_write(scene: Scene, seed: int) -> None:
    # Given a database that nobody has consumed into yet, and that takes no writes,
    async with load(scene, seed):
        async with _read_only(scene):
            # when a consumer starts,
            consumer = scene.start()
            await consumer.says(READ_ONLY)
        # then it begins as soon as it may: also its oldest session takes notice.
        await scene.stores_more()
    await scene.drained()
    await scene.assert_in_order()
    assert not (await scene.tables()).dead_letters


@asynccontextmanager
async def _read_only(scene: Scene) -> AsyncIterator[None]:
    name = scene.database.rpartition("/")[2]
    server = scene.servers.database_url  # from another database: this one would refuse it
    await execute(server, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    yield
    await execute(server, f"ALTER DATABASE {name} RESET default_transaction_read_only")
