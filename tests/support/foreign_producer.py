"""Somebody else's producer, and the service as its users start it: a process with an environment."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Report

from tests.support.corpus import Message

CHECKOUT = Path(__file__).parents[2]
FLUSH_S = 60.0
POLL_S = 0.1
CONSUME_S = 120.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class Receipt(NamedTuple):
    """Where Kafka put a message."""

    message: Message
    partition: int
    offset: int


class Finished(NamedTuple):
    """How a process ended, and all that it said."""

    exit_code: int
    output: str


def foreign_producer(bootstrap_servers: str, **settings: str | int | bool) -> Producer:
    """librdkafka, told to partition as Java and aiokafka do: its own default is another."""
    common: dict[str, str | int | bool] = {
        "bootstrap.servers": bootstrap_servers,
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "compression.type": "lz4",
    }
    return Producer(common | settings)


def publish(producer: Producer, topic: str, messages: Iterable[Message], timestamp: int = 0) -> list[Receipt]:
    """Publish in order, and wait for all receipts. A timestamp counts only where the topic takes the producer's.

    Raises:
        KafkaException: a message was refused, or not acknowledged within FLUSH_S.
    """
    receipts: list[Receipt] = []
    refusals: list[KafkaError] = []
    for message in messages:
        report = partial(_report, message, receipts, refusals)
        while not _taken(producer, topic, message, timestamp, report):
            producer.poll(POLL_S)  # the queue is full: reports make room
    if producer.flush(FLUSH_S):
        raise TimeoutError(f"not all messages were acknowledged in {FLUSH_S} s")
    if refusals:
        raise KafkaException(refusals[0])
    return receipts


def _taken(producer: Producer, topic: str, message: Message, timestamp: int, report: partial[None]) -> bool:
    try:
        headers = list[tuple[str, str | bytes | None]](message.headers)
        producer.produce(topic, message.value, message.key, on_delivery=report, timestamp=timestamp, headers=headers)
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
    """Where aiokafka, and Java, put a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def key_of_partition(partition: int, partitions: int) -> bytes:
    """A run id that goes there."""
    keys = (f"run-{number}".encode() for number in count())
    return next(key for key in keys if aiokafka_partition(key, partitions) == partition)


async def consume_to_the_end(bootstrap_servers: str, topic: str, database_url: str, **settings: str) -> Finished:
    """`python -m consumer run --until-end`, as an operator runs it. Not done within CONSUME_S is a failure."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_RUNS_")} | {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "DATABASE_URL": database_url,
        "AGENT_RUNS_TOPIC": topic,
        "AGENT_RUNS_GROUP": f"{topic}-group",
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "consumer", "run", "--until-end"),
        cwd=CHECKOUT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), CONSUME_S)
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
        raise AssertionError(f"not at the end after {CONSUME_S} s:\n{output.decode()[-10_000:]}") from None
    finally:
        if process.returncode is None:
            process.kill()  # a test that fails beside it must not leave it behind
    return Finished(await process.wait(), output.decode())
