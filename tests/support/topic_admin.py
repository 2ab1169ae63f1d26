"""What an operator, or an accident, does to a topic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError

from tests.support.servers import LOG_APPEND_TIME, create_topic, delete_topics
from tests.support.servers.clients import until


@asynccontextmanager
async def admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """The client, connected."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def make_anew(bootstrap_servers: str, topic: str, partitions: int = 1) -> None:
    """Delete a topic, and create another one under its name."""
    await delete_topics(bootstrap_servers, [topic])

    async def created() -> bool:
        with suppress(TopicAlreadyExistsError):  # the broker takes its time to delete
            await create_topic(bootstrap_servers, topic, partitions, LOG_APPEND_TIME)
            return True
        return False

    await until(created)


async def retain_from(bootstrap_servers: str, topic: str, offset: int, partition: int = 0) -> None:
    """Delete what stands before the offset, as retention would."""
    async with admin(bootstrap_servers) as client:
        await client.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})


async def add_partitions(bootstrap_servers: str, topic: str, total: int) -> None:
    """Give a topic more partitions."""
    async with admin(bootstrap_servers) as client:
        await client.create_partitions({topic: NewPartitions(total)})


async def committed(bootstrap_servers: str, group: str) -> dict[int, int]:
    """The offsets that Kafka holds for a consumer group, by partition."""
    async with admin(bootstrap_servers) as client:
        offsets = await client.list_consumer_group_offsets(group)
    return {tp.partition: known.offset for tp, known in offsets.items()}


async def topic_configs(bootstrap_servers: str, topic: str) -> dict[str, str]:
    """A topic's settings as the broker sees them."""
    async with admin(bootstrap_servers) as client:
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def configure(bootstrap_servers: str, topic: str, configs: dict[str, str]) -> None:
    """Give a topic these settings, and the broker's defaults for all others."""
    async with admin(bootstrap_servers) as client:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])


async def topics(bootstrap_servers: str) -> set[str]:
    """The names of all topics there are."""
    async with admin(bootstrap_servers) as client:
        return set(await client.list_topics())
