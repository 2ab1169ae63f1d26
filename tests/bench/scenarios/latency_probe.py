"""`python -m tests.bench.scenarios.latency_probe visible|bare TOPIC RATE SECONDS`: publishes events at a
steady rate, measures the time until they arrive, and prints the figures as JSON.

With `visible`, an event arrives when it can be read from PostgreSQL. The probe polls PostgreSQL for a sample of about a
hundred events/s. With `bare`, an event arrives when it reaches a Kafka client that does nothing else.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from statistics import quantiles
from threading import Thread
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from agent_runs.codec.decode import read_envelope
from tests.bench.database import QUERIES, queries
from tests.bench.servers import PARTITIONS
from tests.bench.workload import Message, messages

_SEED: Final = 5
_WARM_UP_S: Final = 3.0
_SAMPLED_PER_S: Final = 100
_POLL_INTERVAL_S: Final = 0.0005
_TIMEOUT_S: Final = 30.0


class Publisher:
    """Publishes messages at a steady rate, from a thread of its own.

    Attributes:
        sent_at: the time (`perf_counter`) when each message was passed to the producer, in the order of the messages.
    """

    def __init__(self, topic: str, rate: int, seconds: int) -> None:
        self.topic = topic
        self.messages = messages(_SEED, rate * seconds)
        self.rate = rate
        self.sent_at: list[float] = []
        options = {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"], "acks": "all"}
        self._producer = Producer({**options, "partitioner": "murmur2_random"})
        self.thread = Thread(target=self._publish, name="publisher")

    def _publish(self) -> None:
        start = time.perf_counter() + 0.1
        for number, message in enumerate(self.messages):
            while (ahead_s := start + number / self.rate - time.perf_counter()) > 0:
                self._producer.poll(0)
                time.sleep(ahead_s)
            self.sent_at.append(time.perf_counter())
            self._producer.produce(self.topic, message.value, message.run_id)
        self._producer.flush(_TIMEOUT_S)

    @property
    def offered_per_s(self) -> float:
        """The actual rate of publishing, in events/s."""
        return (len(self.sent_at) - 1) / (self.sent_at[-1] - self.sent_at[0])

    def latencies_ms(self, seen_at: dict[int, float]) -> list[float]:
        """Return the time from publish to arrival, in milliseconds, of each event published after the warm-up.

        Args:
            seen_at: the arrival times (`perf_counter`), by the number of the message.
        """
        start = self.sent_at[0] + _WARM_UP_S
        return [(at - self.sent_at[i]) * 1000 for i, at in seen_at.items() if self.sent_at[i] > start]


async def visible(publisher: Publisher) -> dict[int, float]:
    """Return the time (`perf_counter`) when each event of the sample was visible, by the number of its message."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    query = await connection.prepare(queries(QUERIES)["visible"])
    sample = range(0, len(publisher.messages), max(1, publisher.rate // _SAMPLED_PER_S))
    ids = {number: _ids(publisher.messages[number]) for number in sample}
    seen_at: dict[int, float] = {}
    published = 0  # number of published events of the sample
    pending: list[int] = []

    def add_published() -> bool:
        """Add newly published events of the sample to `pending`; return whether any event has not arrived yet."""
        nonlocal published
        while published < len(sample) and sample[published] < len(publisher.sent_at):
            pending.append(sample[published])
            published += 1
        return published < len(sample) or bool(pending)

    publisher.thread.start()
    while add_published():
        if pending:
            rows = await query.fetch([ids[i][0] for i in pending], [ids[i][1] for i in pending])
            now = time.perf_counter()
            for number in [pending[row["position"] - 1] for row in rows]:
                seen_at[number] = now
                pending.remove(number)
        await asyncio.sleep(_POLL_INTERVAL_S)
        _check_deadline(publisher, pending)
    await connection.close()
    return seen_at


async def bare(publisher: Publisher) -> dict[int, float]:
    """Return the time (`perf_counter`) when each event reached a Kafka client, by the number of its message."""
    numbers = {_ids(message)[1]: number for number, message in enumerate(publisher.messages)}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    consumer.assign([TopicPartition(publisher.topic, partition) for partition in range(PARTITIONS)])
    seen_at: dict[int, float] = {}
    publisher.thread.start()
    while len(seen_at) < len(numbers):
        fetched = await consumer.getmany(timeout_ms=int(_TIMEOUT_S * 1000))
        now = time.perf_counter()
        for record in (record for records in fetched.values() for record in records):
            seen_at[numbers[read_envelope(record.value).id]] = now
    await consumer.stop()
    return seen_at


def _ids(message: Message) -> tuple[str, str]:
    """Return the run id and the event id, which identify an event."""
    return message.run_id, read_envelope(message.value).id


def _check_deadline(publisher: Publisher, pending: list[int]) -> None:
    if pending and time.perf_counter() - publisher.sent_at[pending[0]] > _TIMEOUT_S:
        raise TimeoutError(f"event {pending[0]} was not visible within {_TIMEOUT_S:g} s")


def main(mode: str, topic: str, rate: str, seconds: str) -> dict[str, Any]:
    """Publish `rate` events/s for `seconds`; return the figures."""
    publisher = Publisher(topic, int(rate), int(seconds))
    observe: Callable[[Publisher], Any] = {"visible": visible, "bare": bare}[mode]
    cpu_s, started = time.process_time(), time.perf_counter()
    seen_at: dict[int, float] = asyncio.run(observe(publisher))
    latencies = publisher.latencies_ms(seen_at)
    percentiles = quantiles(latencies, n=100)
    return {
        "p50_ms": percentiles[49],
        "p99_ms": percentiles[98],
        "looks": len(latencies),
        "offered_per_s": publisher.offered_per_s,
        "cores": (time.process_time() - cpu_s) / (time.perf_counter() - started),
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
