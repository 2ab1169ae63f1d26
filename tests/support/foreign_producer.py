"""A producer that shares no code with the library: librdkafka."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import count
from typing import NamedTuple

from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Report

from tests.support.messages import Message

FLUSH_S = 150.0  # a test may restart the broker meanwhile, which takes minutes on a very busy machine
POLL_S = 0.1
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
CHOSEN_BY_KEY = -1  # librdkafka's number for "no partition given"


class Receipt(NamedTuple):
    """The partition and offset at which Kafka stored a message."""

    message: Message
    partition: int
    offset: int


def foreign_producer(bootstrap_servers: str, **settings: str | int | bool) -> Producer:
    """Return a producer that partitions as Java and aiokafka do; librdkafka's default partitioner differs."""
    common: dict[str, str | int | bool] = {
        "bootstrap.servers": bootstrap_servers,
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "compression.type": "lz4",
    }
    return Producer(common | settings)


def transactional_producer(bootstrap_servers: str, transactional_id: str) -> Producer:
    """Return a producer that is ready to begin a transaction."""
    producer = foreign_producer(bootstrap_servers, **{"transactional.id": transactional_id})
    producer.init_transactions()
    return producer


def publish(producer: Producer, topic: str, messages: Iterable[Message]) -> list[Receipt]:
    """Publish in order and wait for all acknowledgements.

    Raises:
        KafkaException: a message was refused, or was not acknowledged within FLUSH_S.
    """
    receipts: list[Receipt] = []
    refusals: list[KafkaError] = []
    for message in messages:
        report = partial(_report, message, receipts, refusals)
        while not _queued(producer, topic, message, report):
            producer.poll(POLL_S)  # the queue is full: delivery reports make room
    if producer.flush(FLUSH_S):
        raise TimeoutError(f"not all messages were acknowledged in {FLUSH_S} s")
    if refusals:
        raise KafkaException(refusals[0])
    return receipts


def _queued(producer: Producer, topic: str, message: Message, report: partial[None]) -> bool:
    partition = CHOSEN_BY_KEY if message.partition is None else message.partition
    headers = list[tuple[str, str | bytes | None]](message.headers)
    try:
        producer.produce(
            topic,
            message.value,
            message.key,
            partition,
            on_delivery=report,
            timestamp=message.timestamp_ms or 0,
            headers=headers,
        )
    except BufferError:
        return False
    return True


def _report(
    message: Message, receipts: list[Receipt], refusals: list[KafkaError], error: KafkaError | None, report: Report
) -> None:
    if error is not None:
        refusals.append(error)
    else:
        partition, offset = report.partition(), report.offset()
        assert partition is not None  # an acknowledged message has both
        assert offset is not None
        receipts.append(Receipt(message, partition, offset))


def aiokafka_partition(key: bytes, partitions: int) -> int:
    """Return the partition that aiokafka and Java choose for a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def keys_of_partition(partition: int, partitions: int) -> Iterable[bytes]:
    """Run ids whose events go to this partition, without end."""
    keys = (f"run-{number}".encode() for number in count())
    return (key for key in keys if aiokafka_partition(key, partitions) == partition)


def key_of_partition(partition: int, partitions: int) -> bytes:
    """Return a run id whose events go to this partition."""
    return next(iter(keys_of_partition(partition, partitions)))
