"""Databases that the service must refuse, and agents that emit to one topic."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.agents import Agents
from tests.support.servers import Servers, TemplateDatabase


@pytest.fixture
async def latin_database(template_database: TemplateDatabase) -> AsyncIterator[str]:
    """The URL of an empty database in an encoding that the service refuses."""
    async with template_database.unmigrated("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'") as url:
        yield url


@pytest.fixture
def agents(servers: Servers, topic: str, tmp_path: Path) -> Agents:
    return Agents(servers, topic, tmp_path)
