"""Reads a topic in batches of events and rejections, without a consumer group."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from agent_runs.codec.decode import decode_event
from agent_runs.codec.records import Reason, Refusal, validate_record
from agent_runs.errors import KafkaUnavailable
from agent_runs.kafka.decompression import decompression_limit
from agent_runs.kafka.errors import DamagedBatch
from agent_runs.kafka.failures import failure_behind
from agent_runs.kafka.options import client_options
from agent_runs.kafka.records import UnreadableRecord
from agent_runs.replay.topic_client import CLIENT_ERRORS, Records, TopicClient
from agent_runs.replay.topic_items import Batch, TopicEvent, TopicItem, TopicRejection
from agent_runs.replay.topic_selection import Selection, TopicSettings
from agent_runs.settings import KafkaSettings

_CLIENT_ID: Final = "agent-runs-replay"
_METADATA_MAX_AGE_MS: Final = 30_000  # how soon added partitions are noticed


async def read_batches(
    kafka: KafkaSettings, settings: TopicSettings, selection: Selection
) -> AsyncGenerator[Batch, None]:
    """Yield the items of a topic in batches, with the progress after each batch.

    The items are decoded one by one: a list of the events of a batch would double the time, because it makes Python's
    garbage collector scan them.

    Raises:
        KafkaUnavailable: no broker answers, the topic does not exist, or nothing was fetched for 60 s.
        NoSuchPosition: the topic has no such partition, or the log of the partition ends before the offset.
    """
    began_at = time.monotonic()
    decompression_limit.set(settings.decompression_limit)
    client = AIOKafkaConsumer(
        **client_options(kafka, _CLIENT_ID),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        metadata_max_age_ms=_METADATA_MAX_AGE_MS,
    )
    reader = TopicClient(client, settings.topic, selection)
    try:
        await reader.start()
        yield iter(()), reader.progress()
        while selection.follow or reader.unfinished():
            if (found := await reader.fetch()) is not None:
                yield _items(found, settings.max_event_bytes), reader.progress()
    except (*CLIENT_ERRORS, DamagedBatch) as error:
        reason = failure_behind(error, began_at) or repr(error)
        raise KafkaUnavailable(f"the topic {settings.topic!r} cannot be read: {reason}") from error
    finally:
        reader.close()
        with suppress(*CLIENT_ERRORS):
            await client.stop()


def _items(found: Records, max_event_bytes: int) -> Iterator[TopicItem]:
    partition = found.partition
    for record in found.records:
        if isinstance(record, UnreadableRecord):
            yield _rejection(partition, record, Refusal(Reason.UNREADABLE, record.problem))
            continue
        timestamp_ms = record.timestamp
        validated = validate_record(record.key, record.value, timestamp_ms, max_event_bytes, decode_event)
        if isinstance(validated, Refusal):
            yield _rejection(partition, record, validated)
        else:
            yield TopicEvent(validated[0], partition, record.offset, timestamp_ms, validated[1], record.headers)


def _rejection(partition: int, record: Any, refusal: Refusal) -> TopicRejection:
    return TopicRejection(
        partition,
        record.offset,
        record.timestamp,
        refusal.reason,
        refusal.detail,
        record.key,
        record.value,
        record.headers,
    )
