"""Applies migrations, and checks that a database has the schema of this version."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pogo_core.util import migrate as pogo

from consumer.errors import UsageError
from consumer.postgres.store import Store

SCHEMA: Final = Path(__file__).parents[2] / "schema"
_OLDEST_VERSION: Final = 160000


async def migrate(store: Store) -> list[str]:
    """Apply the missing migrations, then the roles and their grants. Returns the names of the applied migrations.

    Raises:
        UsageError: the server is too old, or the database has the wrong encoding.
    """
    await _check_server(store)
    async with _locked(store):
        before = await _applied(store)
        await store.lend(_apply)
        await store.execute_script((SCHEMA / "roles.sql").read_text(encoding="utf-8"))
        return sorted(await _applied(store) - before)


async def check_schema(store: Store) -> None:
    """Check the server, that no migration is missing, and that the database holds no other topic.

    Raises:
        UsageError: a check failed; the message states what to do.
    """
    await _check_server(store)
    missing = {path.stem for path in (SCHEMA / "migrations").glob("*.sql")} - await _applied(store)
    if missing:
        raise UsageError(
            f"migrations are missing ({', '.join(sorted(missing))}): run `python -m consumer migrate` first"
        )
    others = [row["topic"] for row in await store.fetch("other_topics", store.topic)]
    if others:
        raise UsageError(
            f"this database holds the topic {others[0]!r}, not {store.topic!r}: a database holds one topic "
            "(set AGENT_RUNS_TOPIC, or set DATABASE_URL to another database)"
        )


async def _check_server(store: Store) -> None:
    (facts,) = await store.fetch("server_facts")
    if facts["version_num"] < _OLDEST_VERSION:
        raise UsageError(f"PostgreSQL {facts['version']} is too old: version 16 or newer is needed")
    if facts["encoding"] != "UTF8":
        raise UsageError(f"the database has the encoding {facts['encoding']}: create one with ENCODING 'UTF8'")


async def _applied(store: Store) -> set[str]:
    """Return the names of the migrations applied to the database."""
    (facts,) = await store.fetch("server_facts")
    if not facts["migrated"]:
        return set()
    return {row["migration_id"] for row in await store.fetch("applied_migrations")}


@asynccontextmanager
async def _locked(store: Store) -> AsyncIterator[None]:
    """Hold the lock that lets one process at a time migrate: the migration library has none."""
    await store.fetch("lock_migrations")
    try:
        yield
    finally:
        await store.fetch("unlock_migrations")


async def _apply(connection: Any) -> None:
    logging.getLogger("pogo_core").setLevel(logging.ERROR)  # it logs a warning for every migration
    await pogo.apply(connection, SCHEMA / "migrations", schema_name="public")
