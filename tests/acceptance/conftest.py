"""What the tests of foreign records share."""

import os
from secrets import randbits

import pytest

from tests.support.foreign_producer import MAX_MESSAGE_BYTES
from tests.support.road import Road
from tests.support.servers import MakeTopic, Servers


@pytest.fixture
async def road(servers: Servers, make_topic: MakeTopic, database: str) -> Road:
    """Three partitions that take larger records than the service does."""
    configs = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    return Road(servers, await make_topic(partitions=3, configs=configs), database)


@pytest.fixture
def seed() -> int:
    """Another one each time, printed when a test fails; `AGENT_RUNS_TEST_SEED` brings it back."""
    number = int(os.environ.get("AGENT_RUNS_TEST_SEED") or randbits(32))
    print(f"AGENT_RUNS_TEST_SEED={number}")
    return number
