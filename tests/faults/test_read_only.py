"""A database that accepts no writes for a while, as during a failover or a migration."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.scene import Scene
from tests.support.servers.clients import execute
from tests.support.workloads.background import publishing

READ_ONLY = "default_transaction_read_only is on for the login or the database (SQLSTATE 25006)"


async def test_a_database_that_becomes_read_only_is_waited_for_without_dead_letters(scene: Scene, seed: int) -> None:
    # Given a consumer under load,
    consumer = scene.start()
    async with publishing(scene, seed):
        await scene.wait_for_more()
        # when its database accepts no writes,
        async with _read_only(scene):
            await scene.terminate_backends()  # a session keeps the default with which it started
            await consumer.wait_for_output(READ_ONLY, times=3)
        # then it continues as soon as the database accepts writes.
        await scene.wait_for_more()
    await scene.wait_until_drained()
    await scene.assert_consistent(dead_letters=False)


async def test_a_consumer_started_on_a_read_only_database_continues_when_it_may_write(scene: Scene, seed: int) -> None:
    # Given a read-only database without any stored offsets,
    async with publishing(scene, seed):
        async with _read_only(scene):
            # when a consumer starts,
            consumer = scene.start()
            await consumer.wait_for_output(READ_ONLY)
        # then it consumes as soon as it may write, also with sessions that it opened before.
        await scene.wait_for_more()
    await scene.wait_until_drained()
    await scene.assert_consistent(dead_letters=False)


@asynccontextmanager
async def _read_only(scene: Scene) -> AsyncIterator[None]:
    server = scene.servers.database_url  # in another database: a read-only one would refuse the second statement
    await execute(server, f"ALTER DATABASE {scene.database_name} SET default_transaction_read_only = on")
    yield
    await execute(server, f"ALTER DATABASE {scene.database_name} RESET default_transaction_read_only")
