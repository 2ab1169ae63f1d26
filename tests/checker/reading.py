"""Reads a whole topic and the tables, with the checker's own clients."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from time import monotonic

import asyncpg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tests.checker.classify import MAX_EVENT_BYTES
from tests.checker.comparison import compare
from tests.checker.log import Extent, Headers, Log, Place, Record
from tests.checker.tables import DeadLetterRow, EventRow, OffsetRow, RunRow, Tables
from tests.checker.violations import Violation

DEADLINE_S = 60.0
POLL_S = 0.2
RECORDS_A_POLL = 5_000
MAX_FETCH_BYTES = 128 * 1024 * 1024  # a topic may hold records larger than the service's limit


async def check(
    bootstrap_servers: str,
    topic: str,
    database_url: str,
    *,
    finished: bool = True,
    max_event_bytes: int = MAX_EVENT_BYTES,
) -> list[Violation]:
    """Read the topic and the tables, and return all violations. The arguments are those of `compare`.

    Raises:
        TimeoutError: the log could not be read to its end within DEADLINE_S.
    """
    # The tables first. The log only grows, so a row without a record is then a violation and no race.
    tables = await read_tables(database_url)
    log = await asyncio.to_thread(read_log, bootstrap_servers, topic)
    return compare(log, tables, finished=finished, max_event_bytes=max_event_bytes)


async def read_tables(database_url: str) -> Tables:
    """One snapshot of the four tables."""
    queries = load_queries("tables.sql")
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return Tables(
                runs=[RunRow(**row) for row in await connection.fetch(queries["runs"])],
                events=[EventRow(**row) for row in await connection.fetch(queries["events"])],
                offsets=[OffsetRow(**row) for row in await connection.fetch(queries["offsets"])],
                dead_letters=[DeadLetterRow(**row) for row in await connection.fetch(queries["dead_letters"])],
            )
    finally:
        await connection.close()


def read_log(bootstrap_servers: str, topic: str) -> Log:
    """All committed records of a topic, read with librdkafka, because the service reads with aiokafka.

    Limit: librdkafka truncates the name of a header at a NUL.
    """
    consumer = make_consumer(bootstrap_servers)
    try:
        return _read_to_the_end(consumer, topic)
    finally:
        consumer.close()


def make_consumer(bootstrap_servers: str, **settings: str | int) -> Consumer:
    """A consumer of committed records that reports the end of each partition."""
    # `assign` without `subscribe` joins no group, but librdkafka requires a group id.
    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "checker",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "max.partition.fetch.bytes": MAX_FETCH_BYTES,
            "fetch.max.bytes": MAX_FETCH_BYTES,
            "receive.message.max.bytes": 2 * MAX_FETCH_BYTES,
            **settings,
        }
    )


def _read_to_the_end(consumer: Consumer, topic: str) -> Log:
    starts = start_offsets(consumer, topic)
    consumer.assign([TopicPartition(topic, partition, start) for partition, start in starts.items()])
    records: list[Record] = []
    ends: dict[int, int] = {}
    deadline = monotonic() + DEADLINE_S
    while len(ends) < len(starts):
        if monotonic() > deadline:
            raise TimeoutError(f"read {len(records)} records of {topic}, and {len(ends)} of {len(starts)} partitions")
        for message in consumer.consume(RECORDS_A_POLL, POLL_S):
            if not _is_end(message):
                records.append(record_of(message))
            else:
                ends[not_none(message.partition())] = not_none(message.offset())
    extents = {partition: Extent(start, ends[partition]) for partition, start in starts.items()}
    return Log(topic, extents, records)


def start_offsets(consumer: Consumer, topic: str) -> dict[int, int]:
    """The log start offset of each partition."""
    metadata = consumer.list_topics(topic, timeout=DEADLINE_S).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    starts = {}
    for partition in metadata.partitions:
        start, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=DEADLINE_S)
        starts[partition] = start
    return starts


def _is_end(message: Message) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return True


def record_of(message: Message) -> Record:
    _, timestamp = message.timestamp()
    return Record(
        place=Place(not_none(message.partition()), not_none(message.offset())),
        timestamp=timestamp,
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=_headers(message),
    )


def _headers(message: Message) -> Headers:
    try:
        pairs = message.headers() or []
        assert not isinstance(pairs, dict)  # only producers accept a dict
        return tuple((name, _bytes(value)) for name, value in pairs)
    except (SystemError, UnicodeDecodeError):  # the name of a header is not UTF-8; librdkafka's client raises either
        return ()


def not_none(number: int | None) -> int:
    assert number is not None  # only messages that were never sent have none
    return number


def _bytes(field: str | bytes | None) -> bytes | None:
    assert not isinstance(field, str)  # only deserializers return str
    return field


def load_queries(file: str) -> dict[str, str]:
    """The queries of a file, by name."""
    text = Path(__file__).with_name(file).read_text()
    return dict(re.findall(r"^-- (\w+) --\n(.*?)(?=^-- \w+ --\n|\Z)", text, re.DOTALL | re.MULTILINE))
