"""The topic itself: made right, or compared with what it should be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    IllegalArgumentError,
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from agent_runs.kafka_options import client_options
from agent_runs.settings import KafkaSettings
from consumer.config import CLIENT_ID, TopicConfig
from consumer.errors import Unavailable, UsageError

_log = structlog.get_logger()

# A record is its value, its key and headers, and what the format adds.
_RECORD_OVERHEAD_BYTES: Final = 1024 * 1024
_REPLICAS: Final = 3  # where there are as many brokers
_TIMEOUT_S: Final = 15.0


def wanted_configs(config: TopicConfig, retention_ms: int) -> dict[str, str]:
    """The topic's settings that the product's promises rest on."""
    return {
        "cleanup.policy": "delete",  # compaction would keep one event of a run
        "message.timestamp.type": "LogAppendTime",  # one clock for a run, and the fingerprint of the log
        "retention.ms": str(retention_ms),
        "retention.bytes": "-1",
        "max.message.bytes": str(config.max_event_bytes + _RECORD_OVERHEAD_BYTES),
    }


async def create_topic(
    kafka: KafkaSettings, config: TopicConfig, partitions: int, replicas: int | None, retention_ms: int
) -> list[str]:
    """Make the topic; where it exists, compare. Returns what is other than it should be, a sentence each.

    Raises:
        Unavailable: no broker answers.
        UsageError: the broker refuses the topic.
    """
    configs = wanted_configs(config, retention_ms)
    async with _admin(kafka) as admin:
        copies = replicas or min(_REPLICAS, len((await admin.describe_cluster())["brokers"]))
        response = await admin.create_topics([NewTopic(config.topic, partitions, copies, topic_configs=configs)])
        _, code, message = response.topic_errors[0][:3]
        error = for_code(code)
        if error is TopicAlreadyExistsError:
            return await _differences(admin, config.topic, configs, partitions)
        if code:
            raise UsageError(f"the broker refuses topic {config.topic!r}: {error.__name__}: {message}")
        return []


async def _differences(admin: AIOKafkaAdminClient, topic: str, wanted: dict[str, str], partitions: int) -> list[str]:
    actual = await _configs(admin, topic)
    differences = [
        f"{name} is {actual.get(name)}, it should be {value}"
        for name, value in wanted.items()
        if actual.get(name) != value
    ]
    count = await _partitions(admin, topic)
    if count != partitions:
        differences.append(f"it has {count} partitions, not {partitions} (more would move keys: runs would be split)")
    return differences


async def check_topic(kafka: KafkaSettings, config: TopicConfig) -> list[int]:
    """The topic's partitions, if it can be consumed without loss.

    Raises:
        Unavailable: no broker answers.
        UsageError: the topic is missing, or compacted.
    """
    async with _admin(kafka) as admin:
        count = await _partitions(admin, config.topic)
        if not count:
            raise UsageError(f"topic {config.topic!r} does not exist: make it with `python -m consumer create-topic`")
        actual = await _configs(admin, config.topic)
    if "compact" in actual["cleanup.policy"]:
        raise UsageError(
            f"topic {config.topic!r} is compacted (cleanup.policy={actual['cleanup.policy']}): Kafka would delete all "
            "but the last event of a run; set cleanup.policy=delete"
        )
    if actual["message.timestamp.type"] != "LogAppendTime":
        _log.warning(
            "The topic's timestamps are the producers' (message.timestamp.type): times in the tables are only as right",
            action="check_topic",
            topic=config.topic,
        )
    return list(range(count))


@asynccontextmanager
async def _admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    options = client_options(kafka, CLIENT_ID)
    admin = AIOKafkaAdminClient(**options)
    try:
        try:
            await asyncio.wait_for(admin.start(), _TIMEOUT_S)
            yield admin
        finally:
            await admin.close()
    except IllegalArgumentError:
        raise
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"Kafka: {error!r}") from error


async def _partitions(admin: AIOKafkaAdminClient, topic: str) -> int:
    (described,) = await admin.describe_topics([topic])
    error = for_code(described["error_code"])
    if error is UnknownTopicOrPartitionError:
        return 0
    if described["error_code"]:
        raise error(topic)
    return len(described["partitions"])


async def _configs(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    resource: Any = response.resources[0]
    code, message, entries = resource[0], resource[1], resource[4]
    if code:
        raise for_code(code)(message)
    return {entry[0]: entry[1] for entry in entries}
