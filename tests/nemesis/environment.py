"""Kafka and PostgreSQL servers for the nemesis alone, each behind a proxy that can break connections."""

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
from tests.support.servers.acls import ALLOW_BY_DEFAULT
from tests.support.servers.listeners import Listener, listener_properties

PARTITIONS = 6
# Larger than every specimen of the corpus, smaller than the messages that the producers send to be refused.
MAX_MESSAGE_BYTES = 300_000


@dataclass(frozen=True)
class Endpoints:
    """A round's topic and database: `proxied` for the clients under test, `direct` without the proxies."""

    proxied: Scene
    direct: Scene


@dataclass(frozen=True)
class Environment:
    """The servers and their proxies. `kafka_direct_address` is Kafka's listener without the proxy."""

    kafka: Kafka
    kafka_proxy: KafkaProxy
    kafka_direct_address: str
    postgres: PostgreSQL
    postgres_proxy: DatabaseProxy
    template: TemplateDatabase

    @asynccontextmanager
    async def endpoints(self, topic: str, directory: Path) -> AsyncIterator[Endpoints]:
        """A new topic and database for the duration of the block."""
        configs = {**LOG_APPEND_TIME, "max.message.bytes": str(MAX_MESSAGE_BYTES)}
        await create_topic(self.kafka_direct_address, topic, PARTITIONS, configs)
        name = await self.template.clone()
        proxied = Servers(f"{HOST}:{self.kafka_proxy.port}", self.postgres_proxy.url_of("postgres"))
        yield Endpoints(
            Scene(proxied, topic, self.postgres_proxy.url_of(name), directory),
            Scene(Servers(self.kafka_direct_address, self.postgres.url), topic, self.template.url_of(name), directory),
        )
        await self.template.drop(name)
        await delete_topics(self.kafka_direct_address, [topic])


@asynccontextmanager
async def open_environment(directory: Path, *, fast_start: bool = False) -> AsyncIterator[Environment]:
    """Start the servers for the duration of the block; Kafka with `fast_start` as of `Kafka`."""
    # Without fsync: only processes are killed, and the kernel keeps what a killed process has written.
    postgres = PostgreSQL(directory / "postgresql", durable=False)
    async with KafkaProxy() as kafka_proxy:
        proxied, direct = free_port(), free_port()
        listeners = listener_properties(
            Listener("DIRECT", direct, direct),  # for the checks and the broker itself
            Listener("PLAINTEXT", proxied, kafka_proxy.port),
        )
        kafka = Kafka(directory / "kafka", proxied, {**listeners, **ALLOW_BY_DEFAULT}, fast_start=fast_start)
        kafka_proxy.target = HOST, proxied
        with _running(postgres), _running(kafka):
            async with DatabaseProxy(postgres.url) as postgres_proxy:
                template = await TemplateDatabase.create(postgres.url)
                yield Environment(kafka, kafka_proxy, f"{HOST}:{direct}", postgres, postgres_proxy, template)


@contextmanager
def _running(server: Server) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.kill()
