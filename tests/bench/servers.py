"""Starts Kafka and PostgreSQL for the benchmark, durable as in production, and fills topics before a measurement."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from confluent_kafka import Producer

from deploy.local import Kafka, PostgreSQL
from tests.bench.records import PlannedRecord
from tests.support.servers import LOG_APPEND_TIME, TemplateDatabase, create_topic, delete_topics

PARTITIONS: Final = 12

# The database records commit times in microseconds, so a measurement of throughput does not poll it.
_SETTINGS: Final = {"track_commit_timestamp": "on"}
_LARGEST_MESSAGE: Final = "16777216"  # bytes
_ERRORS_ONLY: Final = 3  # librdkafka's log level; otherwise it logs its retries while the broker starts
_FLUSH_TIMEOUT_S: Final = 120


class Servers(NamedTuple):
    """The running servers, and a migrated template database."""

    bootstrap_servers: str
    kafka_pid: int
    postgres_pid: int
    template: TemplateDatabase


class Dataset(NamedTuple):
    """A topic, and its records."""

    topic: str
    records: Sequence[PlannedRecord]


@asynccontextmanager
async def start_servers() -> AsyncIterator[Servers]:
    """Start the servers in a temporary directory; stop and delete them at the end."""
    with ExitStack() as opened:
        directory = Path(opened.enter_context(TemporaryDirectory(prefix="agent-runs-bench-")))
        kafka = opened.enter_context(Kafka(directory / "kafka", properties={"message.max.bytes": _LARGEST_MESSAGE}))
        postgres = opened.enter_context(PostgreSQL(directory / "postgresql", settings=_SETTINGS))
        template = await TemplateDatabase.create(postgres.url)
        assert kafka.pid is not None
        assert postgres.pid is not None
        yield Servers(kafka.bootstrap_servers, kafka.pid, postgres.pid, template)


async def publish_dataset(servers: Servers, topic: str, records: Sequence[PlannedRecord]) -> Dataset:
    """Create a topic and publish the records to it."""
    await publish(servers, topic, records)
    return Dataset(topic, records)


async def publish(servers: Servers, topic: str, records: Iterable[PlannedRecord]) -> None:
    """Create a topic, and publish every record to its planned partition."""
    await create_topic(
        servers.bootstrap_servers, topic, PARTITIONS, {**LOG_APPEND_TIME, "max.message.bytes": _LARGEST_MESSAGE}
    )
    await asyncio.to_thread(_produce, servers.bootstrap_servers, topic, records)


@asynccontextmanager
async def temporary_topic(servers: Servers, topic: str, records: Iterable[PlannedRecord]) -> AsyncIterator[None]:
    """Create a topic, publish the records to it, and delete it at the end of the block."""
    await publish(servers, topic, records)
    try:
        yield
    finally:
        await delete_topics(servers.bootstrap_servers, [topic])


def _produce(bootstrap_servers: str, topic: str, records: Iterable[PlannedRecord]) -> None:
    """Produce the records, and wait until all are acknowledged.

    Uses librdkafka, which is ten times as fast as aiokafka and writes batches of the same format.
    """
    options = {
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "log_level": _ERRORS_ONLY,
        "message.max.bytes": _LARGEST_MESSAGE,
    }
    producer = Producer(options)
    for record in records:
        while True:
            try:
                producer.produce(topic, record.value, record.key, record.partition)
                break
            except BufferError:  # the producer's queue is full
                producer.poll(0.1)
    if unsent := producer.flush(_FLUSH_TIMEOUT_S):
        raise TimeoutError(f"{unsent} messages were not acknowledged within {_FLUSH_TIMEOUT_S} s")
