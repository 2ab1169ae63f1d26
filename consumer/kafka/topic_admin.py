"""Creates the topic with the settings that the service needs, and checks the settings of an existing topic."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from agent_runs.settings import KafkaSettings
from consumer.errors import TopicRefused, UsageError
from consumer.kafka.client_options import client_options
from consumer.kafka.errors import CLIENT_ERRORS, answered_within
from consumer.settings import CLIENT_ID, TopicConfig

_log = structlog.get_logger()

# Room for the key, the headers and the record format, in addition to the value.
_RECORD_OVERHEAD_BYTES: Final = 1024 * 1024
_REPLICAS: Final = 3  # fewer if the cluster has fewer brokers
_TIMEOUT_S: Final = 15.0  # for all requests of one call
_CLOSE_TIMEOUT_S: Final = 1.0


def wanted_configs(config: TopicConfig, retention_ms: int) -> dict[str, str]:
    """Return the topic settings that the service's guarantees depend on, by Kafka's names."""
    return {
        "cleanup.policy": "delete",  # compaction keeps only the last event of a run
        "message.timestamp.type": "LogAppendTime",  # one clock for all events of a run, and for fingerprints
        "retention.ms": str(retention_ms),
        "retention.bytes": "-1",
        "max.message.bytes": str(config.max_event_bytes + _RECORD_OVERHEAD_BYTES),
    }


async def create_topic(
    kafka: KafkaSettings, config: TopicConfig, partitions: int, replicas: int | None, retention_ms: int
) -> list[str]:
    """Create the topic. If it exists, return its differences from the wanted settings, one sentence each.

    `replicas` are the copies of each partition; None means 3, or the number of brokers if that is smaller. A
    `retention_ms` of -1 means no limit.

    Raises:
        Unavailable: no broker answers.
        UsageError: the broker refuses to create the topic.
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
            raise UsageError(f"the broker refuses to create topic {config.topic!r}: {error.__name__}: {message}")
        return []


async def _differences(admin: AIOKafkaAdminClient, topic: str, wanted: dict[str, str], partitions: int) -> list[str]:
    actual = await _configs(admin, topic)
    differences = [
        f"{name} is {actual.get(name)} and should be {value}"
        for name, value in wanted.items()
        if actual.get(name) != value
    ]
    count = await _partitions(admin, topic)
    if count != partitions:
        differences.append(
            f"it has {count} partitions, not {partitions} "
            "(if you add some, new events of a run may go to another partition)"
        )
    return differences


async def check_topic(
    kafka: KafkaSettings, config: TopicConfig, *, warn: bool = False, timeout_s: float = _TIMEOUT_S
) -> list[int]:
    """Check that the topic can be consumed without loss. Returns the numbers of its partitions.

    Args:
        kafka: how to reach the brokers.
        config: the topic and the largest event.
        warn: also log the settings of the topic that are risky.
        timeout_s: for all requests together; at most 15 seconds are waited.

    Raises:
        TopicRefused: rights on the topic are missing.
        Unavailable: no broker answers.
        UsageError: the topic does not exist, or is compacted.
    """
    async with _admin(kafka, min(timeout_s, _TIMEOUT_S)) as admin:
        try:
            count = await _partitions(admin, config.topic)
            actual = await _configs(admin, config.topic) if count else {}
        except TopicAuthorizationFailedError as error:
            raise TopicRefused(
                f"Kafka: {error!r}: grant this consumer READ, DESCRIBE and DESCRIBE_CONFIGS on the topic "
                f"{config.topic!r}"
            ) from error
    if not count:
        raise UsageError(f"topic {config.topic!r} does not exist: create it with `agent-runs-consumer create-topic`")
    if "compact" in actual["cleanup.policy"]:
        raise UsageError(
            f"topic {config.topic!r} is compacted (cleanup.policy={actual['cleanup.policy']}): Kafka deletes all "
            "but the last event of a run; set cleanup.policy=delete"
        )
    for risk in _risks(config, actual) if warn else ():
        _log.warning(risk, action="check_topic", topic=config.topic)
    return list(range(count))


def _risks(config: TopicConfig, actual: dict[str, str]) -> list[str]:
    found = []
    if actual["message.timestamp.type"] != "LogAppendTime":
        found.append(
            "Record timestamps are set by producers, so times in the tables depend on their clocks; "
            "set message.timestamp.type=LogAppendTime"
        )
    largest = int(actual["max.message.bytes"])
    if largest < config.max_event_bytes:
        found.append(
            f"The topic refuses events that the service accepts: max.message.bytes={largest} is smaller than "
            f"AGENT_RUNS_MAX_EVENT_BYTES={config.max_event_bytes}; change one of them"
        )
    return found


@asynccontextmanager
async def _admin(kafka: KafkaSettings, timeout_s: float = _TIMEOUT_S) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(kafka, CLIENT_ID))
    try:
        async with answered_within(timeout_s):
            await admin.start()
            yield admin
    finally:
        with suppress(*CLIENT_ERRORS):
            await asyncio.wait_for(admin.close(), _CLOSE_TIMEOUT_S)


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
