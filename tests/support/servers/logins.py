"""Logins that are members of one group role only."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from urllib.parse import urlsplit
from uuid import uuid4

from tests.support.servers.clients import connect, execute

CONSUMER, READER = "agent_runs_consumer", "agent_runs_reader"
PASSWORD = "let-me-in"  # for servers that require one


@asynccontextmanager
async def login(
    database_url: str, group: str, settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[str]:
    """A database's URL with a new login, which is a member of this group; it is dropped at the end of the block.

    Args:
        database_url: of the database.
        group: the name of the role.
        settings: of the sessions of the login; those that this version of the server lacks are left out.
    """
    name = f"test_{uuid4().hex}"
    await execute(database_url, f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE {group}")
    async with connect(database_url) as connection:
        known = {row["name"] for row in await connection.fetch("SELECT name FROM pg_settings")}
        for setting, value in settings.items():
            if setting in known:
                await connection.execute(f"ALTER ROLE {name} SET {setting} = '{value}'")
    parts = urlsplit(database_url)
    try:
        yield parts._replace(netloc=f"{name}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}").geturl()
    finally:
        await execute(database_url, f"DROP ROLE {name}")
