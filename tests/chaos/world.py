"""Servers, a topic, a database and consumers, for as long as the chaos lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local import Kafka, PostgreSQL
from deploy.local.server import Server
from tests.faults.proxy import KafkaProxy
from tests.faults.scene import Scene
from tests.servers import LOG_APPEND_TIME, Servers, TemplateDatabase, create_topic

TOPIC = "chaos"
PARTITIONS = 6
CONSUMERS = 2


@dataclass(frozen=True)
class World:
    """Agents reach Kafka by way of the proxy, and the consumers too."""

    kafka: Kafka
    proxy: KafkaProxy
    scene: Scene


@asynccontextmanager
async def open_world() -> AsyncIterator[World]:
    with TemporaryDirectory(prefix="agent-runs-chaos-") as name:
        directory = Path(name)
        async with KafkaProxy() as proxy:
            address = f"127.0.0.1:{proxy.port}"
            kafka = Kafka(directory / "kafka", properties={"advertised.listeners": f"PLAINTEXT://{address}"})
            postgres = PostgreSQL(directory / "postgresql", durable=False)
            with _running(kafka), _running(postgres):
                proxy.target = "127.0.0.1", kafka.port
                await create_topic(address, TOPIC, PARTITIONS, LOG_APPEND_TIME)
                template = await TemplateDatabase.create(postgres.url)
                database = template.url_of(await template.clone())
                scene = Scene(Servers(address, postgres.url), TOPIC, database, directory)
                for _ in range(CONSUMERS):
                    scene.start(AGENT_RUNS_BATCH_RECORDS="500")
                try:
                    yield World(kafka, proxy, scene)
                finally:
                    for consumer in scene.consumers:
                        consumer.kill()


@contextmanager
def _running(server: Server) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.kill()
