"""Topics of a test's own."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

LOG_APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}


async def create_topic(
    bootstrap_servers: str, name: str, partitions: int, configs: Mapping[str, str], replicas: int = 1
) -> None:
    """Make a topic. Raises the broker's error when it refuses."""
    async with _admin(bootstrap_servers) as admin:
        topic = NewTopic(name, partitions, replicas, topic_configs=dict(configs))
        answer = await admin.create_topics([topic])  # errors are in the answer, nothing raises
    for _, code, message in answer.topic_errors:
        if code:
            raise for_code(code)(message)


async def delete_topics(bootstrap_servers: str, names: Sequence[str]) -> None:
    """Delete the topics; those that are gone already don't matter."""
    async with _admin(bootstrap_servers) as admin:
        await admin.delete_topics(list(names))


@asynccontextmanager
async def _admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
