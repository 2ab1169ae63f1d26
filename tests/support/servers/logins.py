"""Logins that are members of one group role only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

from tests.support.servers.clients import execute

CONSUMER, READER = "agent_runs_consumer", "agent_runs_reader"
PASSWORD = "let-me-in"  # for servers that require one


@asynccontextmanager
async def login(database_url: str, group: str) -> AsyncIterator[str]:
    """A database's URL with a new login, which is a member of this group; it is dropped at the end of the block."""
    name = f"test_{uuid4().hex}"
    await execute(database_url, f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE {group}")
    parts = urlsplit(database_url)
    try:
        yield parts._replace(netloc=f"{name}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}").geturl()
    finally:
        await execute(database_url, f"DROP ROLE {name}")
