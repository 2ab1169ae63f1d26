"""Identities that are behind their tables, as after a switchover of logical replication, are found and repaired."""

import re
from dataclasses import replace

import pytest

from consumer.errors import UsageError
from consumer.postgres.requirements import CONSUME, DISCARD, READ, check_database
from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig
from tests.support.messages import Message
from tests.support.scene import Scene
from tests.support.servers.clients import execute
from tests.support.servers.logins import CONSUMER, login


async def test_an_identity_behind_its_table_is_refused_with_the_statement_that_repairs_it(scene: Scene) -> None:
    # Given dead letters, and a sequence that begins again, as on a replica,
    await scene.publish(*[Message(None, b"not json")] * 3)
    await scene.consume()
    await execute(scene.database, "ALTER SEQUENCE dead_letters_id_seq RESTART")
    async with login(scene.database, CONSUMER) as url:
        # when commands start, then each is refused, with a statement;
        store = await Store.connect(DatabaseConfig(url=url), scene.topic)
        for rights in (CONSUME, DISCARD, READ):
            with pytest.raises(UsageError, match=r"the next id of dead_letters is 1, but .* up to 3") as caught:
                await check_database(store, rights)
        await store.close()
        # and after the owner has executed it, the next dead letter is stored.
        statement = re.search(r"SELECT setval\(.*\)$", str(caught.value))
        assert statement
        await execute(scene.database, statement[0])
        await scene.publish(Message(None, b"not json"))
        await replace(scene, database=url).consume()
    assert await scene.rows("SELECT max(id) FROM dead_letters") == [(4,)]
