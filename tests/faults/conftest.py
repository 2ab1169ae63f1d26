"""Scenes, and servers that may be killed."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from secrets import randbits
from tempfile import TemporaryDirectory

import pytest

from deploy.local import Kafka, PostgreSQL
from tests.support.proxy.proxied_kafka import WiredKafka
from tests.support.scene import Scene
from tests.support.servers import LOG_APPEND_TIME, MakeTopic, Servers, TemplateDatabase, create_topic

PARTITIONS = 3


@pytest.fixture
def seed() -> int:
    """Another one each time, printed when a test fails; `AGENT_RUNS_TEST_SEED` brings it back."""
    number = int(os.environ.get("AGENT_RUNS_TEST_SEED") or randbits(32))
    print(f"AGENT_RUNS_TEST_SEED={number}")
    return number


@pytest.fixture
def rng(seed: int) -> Random:
    return Random(seed)


@pytest.fixture
async def scene(servers: Servers, make_topic: MakeTopic, database: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """A topic of three partitions and an empty database, on the servers that all tests share."""
    scene = Scene(servers, await make_topic(PARTITIONS), database, tmp_path)
    yield scene
    _clear(scene)


@pytest.fixture(scope="session")
def mortal_postgres() -> Iterator[PostgreSQL]:
    """A PostgreSQL that tests may kill. Without fsync: what a killed process wrote is the kernel's, and stays."""
    with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
        server = PostgreSQL(Path(directory) / "postgresql", durable=False)
        with server:
            yield server
            server.kill()


@pytest.fixture(scope="session")
def mortal_kafka() -> Iterator[WiredKafka]:
    """A Kafka that tests may kill, and whose wire they may cut."""
    with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
        server = WiredKafka(Path(directory) / "kafka")
        with server:
            yield server
            server.kill()


@pytest.fixture
async def scene_of_mortal_postgres(
    servers: Servers, make_topic: MakeTopic, mortal_postgres: PostgreSQL, tmp_path: Path
) -> AsyncIterator[Scene]:
    """A scene whose database may go down. It is up again for the next test."""
    template = await TemplateDatabase.create(mortal_postgres.url)
    scene = Scene(servers, await make_topic(PARTITIONS), template.url_of(await template.clone()), tmp_path)
    yield scene
    if mortal_postgres.pid is None:
        mortal_postgres.start()
    _clear(scene)


@pytest.fixture
async def scene_of_mortal_kafka(
    servers: Servers, mortal_kafka: Kafka, database: str, tmp_path: Path
) -> AsyncIterator[Scene]:
    """A scene whose broker may go down. It is up again for the next test."""
    topic = f"test-{tmp_path.name}"
    await create_topic(mortal_kafka.bootstrap_servers, topic, PARTITIONS, LOG_APPEND_TIME)
    scene = Scene(Servers(mortal_kafka.bootstrap_servers, servers.database_url), topic, database, tmp_path)
    yield scene
    if mortal_kafka.pid is None:
        mortal_kafka.start()
    _clear(scene)


def _clear(scene: Scene) -> None:
    for consumer in scene.consumers:
        consumer.kill()
    for consumer in scene.consumers:
        assert not consumer.unseen_errors, consumer.output
