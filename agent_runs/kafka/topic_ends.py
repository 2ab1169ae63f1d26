"""Reads how far the topic goes beyond what is stored."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agent_runs.errors import KafkaUnavailable
from agent_runs.kafka.failures import discard_unhandled_logs, failure_behind
from agent_runs.kafka.options import client_options
from agent_runs.kafka.topics import partitions_of
from agent_runs.settings import KafkaSettings

_TIMEOUT_S: Final = 10.0


class Lag(NamedTuple):
    """The records of a partition that are not stored.

    Attributes:
        records: how many offsets.
        oldest_at: the timestamp of the first of them; None if there is none, or if it could not be read.
        log_start: the first offset of the log.
        log_end: the offset after its last record.
    """

    records: int
    oldest_at: datetime | None
    log_start: int
    log_end: int


async def read_lag(settings: KafkaSettings, topic: str, next_offsets: Mapping[int, int]) -> dict[int, Lag]:
    """Return the lag of each partition of a topic.

    Args:
        settings: how to reach Kafka.
        topic: the topic.
        next_offsets: the offset after the last record that is stored, by partition.

    Raises:
        KafkaUnavailable: Kafka does not answer in time, or the topic does not exist.
    """
    discard_unhandled_logs()
    began_at = time.monotonic()
    options = {**client_options(settings, "agent-runs-status"), "request_timeout_ms": int(_TIMEOUT_S * 1000)}
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
    try:
        await consumer.start()
        partitions = await partitions_of(consumer._client, topic)  # noqa: SLF001  # its own method may create the topic
        starts = await consumer.beginning_offsets([TopicPartition(topic, number) for number in partitions])
        ends = await consumer.end_offsets(list(starts))
        stored = {place: next_offsets.get(place.partition, start) for place, start in starts.items()}
        behind = {place: max(offset, starts[place]) for place, offset in stored.items() if offset < ends[place]}
        times = await _times(consumer, behind)
    except (KafkaError, OSError, TimeoutError) as error:
        reason = failure_behind(error, began_at) or error or type(error).__name__
        raise KafkaUnavailable(f"Kafka is unavailable: {reason}") from error
    finally:
        await consumer.stop()
    return {
        place.partition: Lag(max(0, ends[place] - offset), times.get(place), starts[place], ends[place])
        for place, offset in stored.items()
    }


async def _times(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, datetime]:
    """Return the timestamp of the record at each offset, or of the next one after it."""
    times: dict[TopicPartition, datetime] = {}
    for place, offset in offsets.items():
        consumer.assign([place])
        consumer.seek(place, offset)
        found = await consumer.getmany(place, timeout_ms=int(_TIMEOUT_S * 1000), max_records=1)
        for record in found.get(place, ()):
            times[place] = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return times
