"""Applies migrations."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from pogo_core.error import BadMigrationError
from pogo_core.util import migrate as pogo

from consumer.errors import Blocked
from consumer.postgres.requirements import SCHEMA, applied_migrations, check_may_migrate
from consumer.postgres.store import Store


async def migrate(store: Store) -> list[str]:
    """Apply the missing migrations, then the roles and their grants. Returns the names of the applied migrations.

    Raises:
        UsageError: the server or the database is not suitable, or the login lacks rights.
        Blocked: other sessions hold locks that the migration needs; the message names them.
    """
    await check_may_migrate(store)
    async with _locked(store):
        before = await applied_migrations(store)
        try:
            await store.lend(partial(_apply, schema=store.schema))
        except Blocked as error:
            raise await _with_lock_holders(store, error) from error
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


async def _with_lock_holders(store: Store, error: Blocked) -> Blocked:
    """Return the error of a migration that did not get a lock, with the sessions that hold locks."""
    sessions = [row["session"] for row in await store.fetch("lock_holders")]
    return Blocked(
        f"the migration needs a lock that another session holds ({error}). Sessions with locks on tables: "
        f"{', '.join(sessions) or 'none any more'}. Wait for them, or end them with SELECT pg_terminate_backend(pid)"
    )


async def _apply(connection: Any, schema: str) -> None:
    logging.getLogger("pogo_core").setLevel(logging.ERROR)  # it logs a warning for every migration
    try:
        await pogo.apply(connection, SCHEMA / "migrations", schema_name=schema)
    except BadMigrationError as error:
        raise (error.__cause__ or error) from None  # the driver's error, which `Store.lend` translates
