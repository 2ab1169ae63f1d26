"""A PostgreSQL that is older than the schema needs is refused before a command changes anything."""

from functools import partial
from pathlib import Path

import pytest

from consumer.errors import UsageError
from consumer.postgres.migrations import migrate
from consumer.postgres.requirements import CONSUME, check_database
from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig
from deploy.local import PostgreSQL
from tests.support.servers.clients import fetch_value
from tests.support.servers.postgresql_versions import installed_binaries

pytestmark = pytest.mark.slow

OLDEST = 16


async def test_an_older_server_is_refused_with_the_version_that_is_needed(tmp_path: Path) -> None:
    versions = installed_binaries()
    older = [version for version in versions if int(version.partition(".")[0]) < OLDEST]
    if not older:
        pytest.skip("no PostgreSQL older than 16 is installed; install Debian's package postgresql-15")
    with PostgreSQL(tmp_path / "server", durable=False, binaries=versions[older[0]]) as server:
        for check in (migrate, partial(check_database, rights=CONSUME)):
            store = await Store.connect(DatabaseConfig(url=server.url), "topic")
            with pytest.raises(UsageError, match=f"PostgreSQL {older[0]}.* is too old: version 16 or newer is needed"):
                await check(store)
            await store.close()
        assert await fetch_value(server.url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
