"""Databases that the service must refuse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from tests.support.servers import TemplateDatabase


@pytest.fixture
async def empty_database(template_database: TemplateDatabase) -> AsyncIterator[str]:
    """The URL of a database that was never migrated."""
    async with _created(template_database, "") as url:
        yield url


@pytest.fixture
async def latin_database(template_database: TemplateDatabase) -> AsyncIterator[str]:
    """The URL of an empty database in an encoding that the service refuses."""
    async with _created(template_database, "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'") as url:
        yield url


@asynccontextmanager
async def _created(template: TemplateDatabase, options: str) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex}"
    await template.execute(f"CREATE DATABASE {name} {options}")
    yield template.url_of(name)
    await template.drop(name)
