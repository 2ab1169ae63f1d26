"""Applies migrations."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pogo_core.util import migrate as pogo

from consumer.postgres.requirements import SCHEMA, applied_migrations, check_may_migrate
from consumer.postgres.store import Store


async def migrate(store: Store) -> list[str]:
    """Apply the missing migrations, then the roles and their grants. Returns the names of the applied migrations.

    Raises:
        UsageError: the server or the database is not suitable, or the login lacks rights.
    """
    await check_may_migrate(store)
    async with _locked(store):
        before = await applied_migrations(store)
        await store.lend(_apply)
        await store.execute_script((SCHEMA / "roles.sql").read_text(encoding="utf-8"))
        return sorted(await applied_migrations(store) - before)


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
