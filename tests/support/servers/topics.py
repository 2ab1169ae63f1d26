"""Topics: create, change, inspect and delete them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError, TopicAlreadyExistsError, for_code
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as ForeignTopicPartition

from tests.support.waiting import until

LOG_APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
ANSWER_S = 30.0
_NO_LEADER = (KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION)


@asynccontextmanager
async def admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def create_topic(
    bootstrap_servers: str, name: str, partitions: int, configs: Mapping[str, str], replicas: int = 1
) -> None:
    """Create a topic. Raises the broker's error when it refuses."""
    topic = NewTopic(name, partitions, replicas, topic_configs=dict(configs))

    async def created() -> bool:
        try:
            await _create_topic(bootstrap_servers, topic)
        except InvalidReplicationFactorError as error:
            if "fenced" not in str(error):
                raise
            return False  # on a busy machine, the broker's heartbeats to the controller are late
        return True

    await until(created, f"a broker can have the topic {name}")


async def _create_topic(bootstrap_servers: str, topic: NewTopic) -> None:
    async with admin(bootstrap_servers) as client:
        answer = await client.create_topics([topic])  # errors are in the answer, nothing raises
    for _, code, message in answer.topic_errors:
        if code:
            raise for_code(code)(message)


async def delete_topics(bootstrap_servers: str, names: Sequence[str]) -> None:
    """Delete the topics that exist among these."""
    async with admin(bootstrap_servers) as client:
        await client.delete_topics(list(names))


async def delete_topic(bootstrap_servers: str, name: str) -> None:
    """Delete a topic, and wait until the broker has deleted it, which it does in the background."""
    await delete_topics(bootstrap_servers, [name])
    async with admin(bootstrap_servers) as client:

        async def is_deleted() -> bool:
            return name not in await client.list_topics()

        await until(is_deleted, f"topic {name} is deleted")


async def recreate_topic(bootstrap_servers: str, topic: str, partitions: int = 1) -> None:
    """Delete a topic and create an empty one under its name."""
    await delete_topics(bootstrap_servers, [topic])

    async def created() -> bool:
        with suppress(TopicAlreadyExistsError):  # the broker deletes in the background
            await create_topic(bootstrap_servers, topic, partitions, LOG_APPEND_TIME)
            return True
        return False

    await until(created, f"topic {topic} is created again")


async def delete_records_before(bootstrap_servers: str, topic: str, offset: int, partition: int = 0) -> None:
    """Delete the records before an offset, as retention does."""
    async with admin(bootstrap_servers) as client:
        await client.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})


async def set_partitions(bootstrap_servers: str, topic: str, total: int) -> None:
    """Give a topic more partitions."""
    async with admin(bootstrap_servers) as client:
        await client.create_partitions({topic: NewPartitions(total)})


async def set_configs(bootstrap_servers: str, topic: str, configs: dict[str, str]) -> None:
    """Give a topic these configs, and the broker's defaults for all others."""
    async with admin(bootstrap_servers) as client:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])


async def topic_configs(bootstrap_servers: str, topic: str) -> dict[str, str]:
    """A topic's effective configs."""
    async with admin(bootstrap_servers) as client:
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def topic_names(bootstrap_servers: str) -> set[str]:
    """The names of all topics."""
    async with admin(bootstrap_servers) as client:
        return set(await client.list_topics())


async def committed_offsets(bootstrap_servers: str, group: str) -> dict[int, int]:
    """The offsets that a consumer group has committed to Kafka, by partition."""
    async with admin(bootstrap_servers) as client:
        offsets = await client.list_consumer_group_offsets(group)
    return {tp.partition: known.offset for tp, known in offsets.items()}


async def end_offsets(bootstrap_servers: str, topic: str) -> dict[int, int]:
    """The current end offset of each partition, also behind a transaction that is still open.

    Waits while a partition has no leader: the controller takes it from a broker of a very busy machine, whose
    heartbeats are late.
    """
    found: dict[int, int] = {}

    async def have_leaders() -> bool:
        try:
            found.update(await asyncio.to_thread(_end_offsets, bootstrap_servers, topic))
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER:
                raise
            return False
        return True

    await until(have_leaders, f"the partitions of {topic} have leaders")
    return found


def _end_offsets(bootstrap_servers: str, topic: str) -> dict[int, int]:
    # With the default, the end is the last stable offset: a test would not wait for the records of an open transaction.
    settings = {"bootstrap.servers": bootstrap_servers, "group.id": "ends", "isolation.level": "read_uncommitted"}
    consumer = Consumer(settings)
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
        return {
            number: consumer.get_watermark_offsets(ForeignTopicPartition(topic, number), timeout=ANSWER_S)[1]
            for number in partitions
        }
    finally:
        consumer.close()
