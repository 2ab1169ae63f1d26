"""Kafka and PostgreSQL of the machine's own, each with a wire in front of it that can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import Kafka, PostgreSQL
from deploy.local.ports import HOST, free_port
from deploy.local.server import Server
from tests.support.proxy.proxy import DatabaseProxy, KafkaProxy
from tests.support.scene import Scene
from tests.support.servers import LOG_APPEND_TIME, Servers, TemplateDatabase, create_topic, delete_topics

PARTITIONS = 6
# Above every specimen of the poison corpus, below what the producers send to have it refused.
MAX_MESSAGE_BYTES = 300_000


@dataclass(frozen=True)
class Room:
    """A round's topic and database: `wired` as clients reach them, `direct` past the proxies."""

    wired: Scene
    direct: Scene


@dataclass(frozen=True)
class World:
    kafka: Kafka
    kafka_wire: KafkaProxy
    kafka_direct: str
    postgres: PostgreSQL
    postgres_wire: DatabaseProxy
    template: TemplateDatabase

    @asynccontextmanager
    async def room(self, topic: str, directory: Path) -> AsyncIterator[Room]:
        """A topic and a database, for as long as the block lasts."""
        configs = {**LOG_APPEND_TIME, "max.message.bytes": str(MAX_MESSAGE_BYTES)}
        await create_topic(self.kafka_direct, topic, PARTITIONS, configs)
        name = await self.template.clone()
        wired = Servers(f"{HOST}:{self.kafka_wire.port}", self.postgres_wire.url_of("postgres"))
        yield Room(
            Scene(wired, topic, self.postgres_wire.url_of(name), directory),
            Scene(Servers(self.kafka_direct, self.postgres.url), topic, self.template.url_of(name), directory),
        )
        await self.template.drop(name)
        await delete_topics(self.kafka_direct, [topic])


@asynccontextmanager
async def open_world(directory: Path) -> AsyncIterator[World]:
    """The servers, up for as long as the block lasts."""
    # Without fsync: what a killed process wrote is the kernel's, and stays.
    postgres = PostgreSQL(directory / "postgresql", durable=False)
    async with KafkaProxy() as kafka_wire:
        wired, direct = free_port(), free_port()
        kafka = Kafka(directory / "kafka", wired, _listeners(kafka_wire.port, wired, direct))
        kafka_wire.target = HOST, wired
        with _running(postgres), _running(kafka):
            async with DatabaseProxy(postgres.url) as postgres_wire:
                template = await TemplateDatabase.create(postgres.url)
                yield World(kafka, kafka_wire, f"{HOST}:{direct}", postgres, postgres_wire, template)


def _listeners(proxy: int, wired: int, direct: int) -> dict[str, str]:
    """Two doors: one that is advertised as the proxy's, and one for those who judge, and for the broker itself."""
    controller = free_port()
    return {
        "listeners": f"PLAINTEXT://{HOST}:{wired},DIRECT://{HOST}:{direct},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{proxy},DIRECT://{HOST}:{direct}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "DIRECT",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
    }


@contextmanager
def _running(server: Server) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.kill()
