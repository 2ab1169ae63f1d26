"""The topic, filled before the clock runs."""

import asyncio
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Producer

from tests.bench.placement import Placed
from tests.servers import LOG_APPEND_TIME, create_topic

TOPIC = "bench"
EMPTY_TOPIC = "bench-empty"
_ERRORS_ONLY: Final = 3  # a broker that has just started is asked again, which is no news


async def make_topics(bootstrap_servers: str, partitions: int, placed: Sequence[Placed]) -> None:
    """Make both topics, and put every message of the full one where it was placed."""
    for topic in (TOPIC, EMPTY_TOPIC):
        await create_topic(bootstrap_servers, topic, partitions, LOG_APPEND_TIME)
    await asyncio.to_thread(_fill, bootstrap_servers, placed)


def _fill(bootstrap_servers: str, placed: Sequence[Placed]) -> None:
    """Send, and wait for the acknowledgements.

    librdkafka sends ten times faster than aiokafka, and in batches of the same format.
    """
    options = {"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "log_level": _ERRORS_ONLY}
    producer = Producer(options)
    for record in placed:
        while True:
            try:
                producer.produce(TOPIC, record.value, record.key, record.partition)
                break
            except BufferError:  # its queue is full
                producer.poll(0.1)
    if unsent := producer.flush(60):
        raise TimeoutError(f"{unsent} messages were not acknowledged within a minute")
