"""A topic that accepts larger records than the service."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.foreign_producer import MAX_MESSAGE_BYTES
from tests.support.scene import PARTITIONS, Scene
from tests.support.servers import MakeTopic, Servers


@pytest.fixture
async def scene(servers: Servers, make_topic: MakeTopic, database: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """Three partitions that accept larger records than the service does, and an empty database."""
    configs = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    scene = Scene(servers, await make_topic(PARTITIONS, configs), database, tmp_path)
    yield scene
    scene.stop_consumers()
