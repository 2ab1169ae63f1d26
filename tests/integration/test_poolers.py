"""Behind PgBouncer in session mode the service works; in other modes it refuses at the start, with the remedy."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from consumer.errors import ConnectionLost, LoginRefused, UsageError
from consumer.postgres.migrations import migrate
from consumer.postgres.requirements import CONSUME, check_database
from consumer.postgres.store import SHARED_SESSIONS, Store
from consumer.settings import DatabaseConfig
from tests.support.messages import events_of
from tests.support.scene import Scene
from tests.support.servers.pgbouncer import PROGRAM, pgbouncer

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="the program `pgbouncer` is not installed")

CONNECTIONS = 20


async def _closed_after(config: DatabaseConfig, work: Callable[[Store], Awaitable[object]]) -> object:
    """Do this with a connection, and close it."""
    store = await Store.connect(config, "topic")
    try:
        return await work(store)
    finally:
        await store.close()


class Pooled(Protocol):
    """A scene whose database is behind PgBouncer in this mode."""

    def __call__(self, mode: str) -> AbstractAsyncContextManager[Scene]: ...


@pytest.fixture
def pooled(scene: Scene, tmp_path: Path) -> Pooled:
    @asynccontextmanager
    async def open_pooler(mode: str) -> AsyncIterator[Scene]:
        async with pgbouncer(scene.database, tmp_path, CONNECTIONS, mode) as url:
            yield replace(scene, database=url)

    return open_pooler


async def test_in_session_mode_the_service_migrates_and_consumes(pooled: Pooled) -> None:
    async with pooled("session") as scene:
        assert await _closed_after(DatabaseConfig(url=scene.database), migrate) == []
        await scene.publish(*events_of("run", "a"))
        await scene.consume()
        assert await scene.event_ids("run") == ["a"]


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_without_sessions_is_refused_with_the_remedy(pooled: Pooled, mode: str) -> None:
    async with pooled(mode) as scene:
        config = DatabaseConfig(url=scene.database)
        # Given the first connection, which does not fail, and later ones, which may have another client's session,
        for check in (partial(check_database, rights=CONSUME), migrate):
            with pytest.raises(UsageError, match=SHARED_SESSIONS[:60]):
                await _closed_after(config, check)


async def test_a_pool_without_a_free_session_is_told_with_the_number_that_consumers_need(
    scene: Scene, tmp_path: Path
) -> None:
    async with pgbouncer(scene.database, tmp_path, 1, "session") as url:
        config = DatabaseConfig(url=url)
        store = await Store.connect(config, scene.topic)
        try:
            with pytest.raises(ConnectionLost, match=r"but no answer .*LANES \+ 4 sessions for each consumer"):
                await Store.connect(DatabaseConfig(url=url, connect_timeout_s=0.3), scene.topic)
        finally:
            store.terminate()


async def test_what_the_pooler_itself_refuses_is_told_with_the_remedy(pooled: Pooled) -> None:
    async with pooled("session") as scene:
        unknown = DatabaseConfig(url=f"{scene.database}?work_mem=9MB")
        with pytest.raises(UsageError, match=r"unsupported startup parameter: work_mem .* remove the parameter"):
            await Store.connect(unknown, scene.topic)
        nowhere = DatabaseConfig(url=scene.database.replace(scene.database_name, "nowhere"))
        with pytest.raises(LoginRefused, match="correct its name in DATABASE_URL"):
            await Store.connect(nowhere, scene.topic)
