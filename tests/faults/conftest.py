"""Scenes with small batches and short timeouts, and servers that a test may kill."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.local import Kafka, PostgreSQL
from tests.support.proxy.proxied_kafka import ProxiedKafka
from tests.support.scene import FAULT_SETTINGS, PARTITIONS, Scene
from tests.support.servers import LOG_APPEND_TIME, MakeTopic, Servers, TemplateDatabase, create_topic
from tests.support.servers.clients import Connection, connect


@pytest.fixture
async def scene(servers: Servers, make_topic: MakeTopic, database: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """A topic of three partitions and an empty database, on the servers that all tests share."""
    topic = await make_topic(PARTITIONS)
    scene = Scene(servers, topic, database, tmp_path, consumer_settings=FAULT_SETTINGS)
    yield scene
    scene.stop_consumers()


@pytest.fixture
async def other_session(database: str) -> AsyncIterator[Connection]:
    """A session of another client in the scene's database."""
    async with connect(database) as connection:
        yield connection


@pytest.fixture(scope="session")
def killable_postgres() -> Iterator[PostgreSQL]:
    """A PostgreSQL that tests may kill. Without fsync: what a killed process wrote is in the kernel and survives it."""
    with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
        server = PostgreSQL(Path(directory) / "postgresql", durable=False)
        with server:
            yield server
            server.kill()


@pytest.fixture(scope="session")
def killable_kafka() -> Iterator[ProxiedKafka]:
    """A Kafka that tests may kill, with a listener behind a proxy."""
    with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
        server = ProxiedKafka(Path(directory) / "kafka")
        with server:
            yield server
            server.kill()


@pytest.fixture
async def scene_on_killable_postgres(
    servers: Servers, make_topic: MakeTopic, killable_postgres: PostgreSQL, tmp_path: Path
) -> AsyncIterator[Scene]:
    """A scene whose database a test may take down; it is up again for the next test."""
    template = await TemplateDatabase.create(killable_postgres.url)
    topic, database = await make_topic(PARTITIONS), template.url_of(await template.clone())
    scene = Scene(servers, topic, database, tmp_path, consumer_settings=FAULT_SETTINGS)
    yield scene
    if killable_postgres.pid is None:
        killable_postgres.start()
    scene.stop_consumers()


@pytest.fixture
async def scene_on_killable_kafka(
    servers: Servers, killable_kafka: Kafka, database: str, tmp_path: Path
) -> AsyncIterator[Scene]:
    """A scene whose broker a test may take down; it is up again for the next test."""
    topic = f"test-{tmp_path.name}"
    await create_topic(killable_kafka.bootstrap_servers, topic, PARTITIONS, LOG_APPEND_TIME)
    servers_with_killable_kafka = Servers(killable_kafka.bootstrap_servers, servers.database_url)
    scene = Scene(servers_with_killable_kafka, topic, database, tmp_path, consumer_settings=FAULT_SETTINGS)
    yield scene
    if killable_kafka.pid is None:
        killable_kafka.start()
    scene.stop_consumers()
