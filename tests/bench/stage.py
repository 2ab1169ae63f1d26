"""Servers that wait for the disk as in production, and topics that are full before any clock runs."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from confluent_kafka import Producer

from deploy.local import Kafka, PostgreSQL
from tests.bench.placement import Placed
from tests.support.servers import LOG_APPEND_TIME, TemplateDatabase, create_topic, delete_topics

PARTITIONS: Final = 12

# Commit times, to the microsecond and from the database itself: nobody has to poll while the clock runs.
_SETTINGS: Final = {"track_commit_timestamp": "on"}
_LARGEST_MESSAGE: Final = "16777216"  # bytes
_ERRORS_ONLY: Final = 3  # a broker that has just started is asked again, which is no news


class Stage(NamedTuple):
    """The servers, and a migrated template."""

    bootstrap_servers: str
    kafka_pid: int
    postgres_pid: int
    template: TemplateDatabase


class Load(NamedTuple):
    """Events that stand in a topic of their own."""

    topic: str
    placed: Sequence[Placed]


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """Start the servers; clear them away in the end."""
    with ExitStack() as opened:
        directory = Path(opened.enter_context(TemporaryDirectory(prefix="agent-runs-bench-")))
        kafka = opened.enter_context(Kafka(directory / "kafka", properties={"message.max.bytes": _LARGEST_MESSAGE}))
        postgres = opened.enter_context(PostgreSQL(directory / "postgresql", settings=_SETTINGS))
        template = await TemplateDatabase.create(postgres.url)
        assert kafka.pid is not None
        assert postgres.pid is not None
        yield Stage(kafka.bootstrap_servers, kafka.pid, postgres.pid, template)


async def publish(stage: Stage, topic: str, placed: Iterable[Placed]) -> None:
    """Make the topic, and put every message where it was placed."""
    await create_topic(
        stage.bootstrap_servers, topic, PARTITIONS, {**LOG_APPEND_TIME, "max.message.bytes": _LARGEST_MESSAGE}
    )
    await asyncio.to_thread(_send, stage.bootstrap_servers, topic, placed)


@asynccontextmanager
async def published(stage: Stage, topic: str, placed: Iterable[Placed]) -> AsyncIterator[None]:
    """The same, for as long as the block."""
    await publish(stage, topic, placed)
    try:
        yield
    finally:
        await delete_topics(stage.bootstrap_servers, [topic])


async def load(stage: Stage, topic: str, placed: Sequence[Placed]) -> Load:
    """Publish events that are kept to be compared with."""
    await publish(stage, topic, placed)
    return Load(topic, placed)


def _send(bootstrap_servers: str, topic: str, placed: Iterable[Placed]) -> None:
    """Send, and wait for the acknowledgements.

    librdkafka sends ten times faster than aiokafka, and in batches of the same format.
    """
    options = {
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "log_level": _ERRORS_ONLY,
        "message.max.bytes": _LARGEST_MESSAGE,
    }
    producer = Producer(options)
    for record in placed:
        while True:
            try:
                producer.produce(topic, record.value, record.key, record.partition)
                break
            except BufferError:  # its queue is full
                producer.poll(0.1)
    if unsent := producer.flush(120):
        raise TimeoutError(f"{unsent} messages were not acknowledged within two minutes")
