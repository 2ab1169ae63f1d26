"""Logins with nothing but one group role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

from tests.support.servers.clients import execute

CONSUMER, READER = "agent_runs_consumer", "agent_runs_reader"
PASSWORD = "let-me-in"  # where the server asks for one


@asynccontextmanager
async def login(database_url: str, group: str) -> AsyncIterator[str]:
    """The URL of a database as a new login sees it that is a member of this group. Its name is the URL's user."""
    name = f"test_{uuid4().hex}"
    await execute(database_url, f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE {group}")
    parts = urlsplit(database_url)
    try:
        yield parts._replace(netloc=f"{name}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}").geturl()
    finally:
        await execute(database_url, f"DROP ROLE {name}")
