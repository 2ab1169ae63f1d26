"""Databases that the service must refuse."""

from collections.abc import AsyncIterator

import pytest

from tests.support.servers import TemplateDatabase


@pytest.fixture
async def latin_database(template_database: TemplateDatabase) -> AsyncIterator[str]:
    """The URL of an empty database in an encoding that the service refuses."""
    async with template_database.unmigrated("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'") as url:
        yield url
