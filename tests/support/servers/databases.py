"""Databases for single tests, cloned from one that was migrated once: 50 ms instead of all migrations."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

from tests.support.paths import CHECKOUT
from tests.support.servers.clients import execute

MIGRATE = (sys.executable, "-m", "consumer", "migrate")


@dataclass(frozen=True)
class TemplateDatabase:
    """A migrated database without connections, on the server of `server_url`."""

    server_url: str
    name: str

    @classmethod
    async def create(cls, server_url: str, migrate: Sequence[str] = MIGRATE) -> "TemplateDatabase":
        """Create it and migrate it with the command that operators use."""
        template = cls(server_url, f"template_{uuid4().hex}")
        await template.execute(f"CREATE DATABASE {template.name}")
        await asyncio.to_thread(_run, migrate, template.url_of(template.name))
        return template

    async def clone(self) -> str:
        """Create a copy of the template and return its name."""
        name = f"test_{uuid4().hex}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {self.name}")
        return name

    @asynccontextmanager
    async def unmigrated(self, options: str = "") -> AsyncIterator[str]:
        """Create a database without tables, with these options of CREATE DATABASE; yield its URL, and drop it."""
        name = f"test_{uuid4().hex}"
        await self.execute(f"CREATE DATABASE {name} {options}")
        yield self.url_of(name)
        await self.drop(name)

    async def drop(self, name: str) -> None:
        """Drop a database and end its sessions."""
        await self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def url_of(self, name: str) -> str:
        """The URL of a database on the same server."""
        return urlsplit(self.server_url)._replace(path=f"/{name}").geturl()

    async def execute(self, statement: str) -> None:
        """Run a statement outside of a transaction, in the database of `server_url`."""
        await execute(self.server_url, statement)


def _run(command: Sequence[str], database_url: str) -> None:
    environment = {**os.environ, "DATABASE_URL": database_url}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
