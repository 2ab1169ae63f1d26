"""`python -m tests.bench.scenarios.probe visible|bare TOPIC RATE SECONDS`: publish steadily, and see what arrives when.

`visible`: when each of a hundred events a second can be read from PostgreSQL, by somebody who asks all the time.
`bare`: when each event reaches a Kafka client that does nothing else.
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
from tests.bench.stage import PARTITIONS
from tests.bench.tables import QUERIES, queries
from tests.bench.workload import Message, messages

_SEED: Final = 5
_WARM_UP_S: Final = 3.0
_PROBES_A_S: Final = 100
_PAUSE_S: Final = 0.0005
_GIVE_UP_S: Final = 30.0


class Publisher:
    """Publishes at a steady rate, from a thread of its own.

    Attributes:
        sent_at: when each message was handed over, in the order of the messages.
    """

    def __init__(self, topic: str, rate: int, seconds: int) -> None:
        self.messages = messages(_SEED, rate * seconds)
        self.rate = rate
        self.sent_at: list[float] = []
        self._topic = topic
        options = {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"], "acks": "all"}
        self._producer = Producer({**options, "partitioner": "murmur2_random"})
        self.thread = Thread(target=self._publish, name="publisher")

    def _publish(self) -> None:
        begins = time.perf_counter() + 0.1
        for number, message in enumerate(self.messages):
            while (ahead_s := begins + number / self.rate - time.perf_counter()) > 0:
                self._producer.poll(0)
                time.sleep(ahead_s)
            self.sent_at.append(time.perf_counter())
            self._producer.produce(self._topic, message.value, message.run_id)
        self._producer.flush(_GIVE_UP_S)

    @property
    def offered_per_s(self) -> float:
        """How many were published a second."""
        return (len(self.sent_at) - 1) / (self.sent_at[-1] - self.sent_at[0])

    def latencies_ms(self, seen_at: dict[int, float]) -> list[float]:
        """From publishing to sight, without those of the beginning."""
        begins = self.sent_at[0] + _WARM_UP_S
        return [(at - self.sent_at[i]) * 1000 for i, at in seen_at.items() if self.sent_at[i] > begins]


async def visible(publisher: Publisher) -> dict[int, float]:
    """When a hundred events a second could be read."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    question = await connection.prepare(queries(QUERIES)["visible"])
    step = max(1, publisher.rate // _PROBES_A_S)
    probes = range(0, len(publisher.messages), step)
    ids = {number: key(publisher.messages[number]) for number in probes}
    seen: dict[int, float] = {}
    published = 0  # probes so far
    pending: list[int] = []

    def ask_for_more() -> bool:
        nonlocal published
        while published < len(probes) and probes[published] < len(publisher.sent_at):
            pending.append(probes[published])
            published += 1
        return published < len(probes) or bool(pending)

    publisher.thread.start()
    while ask_for_more():
        if pending:
            rows = await question.fetch([ids[i][0] for i in pending], [ids[i][1] for i in pending])
            now = time.perf_counter()
            for number in [pending[row["position"] - 1] for row in rows]:
                seen[number] = now
                pending.remove(number)
        await asyncio.sleep(_PAUSE_S)
        check_deadline(publisher, pending)
    await connection.close()
    return seen


def key(message: Message) -> tuple[str, str]:
    """What is unique of an event."""
    return message.run_id, read_envelope(message.value).id


def check_deadline(publisher: Publisher, pending: list[int]) -> None:
    """Raises TimeoutError if something never arrives."""
    if pending and time.perf_counter() - publisher.sent_at[pending[0]] > _GIVE_UP_S:
        raise TimeoutError(f"event {pending[0]} is not to be seen")


async def bare(publisher: Publisher) -> dict[int, float]:
    """When each event reached a client."""
    numbers = {key(message)[1]: number for number, message in enumerate(publisher.messages)}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    consumer.assign([TopicPartition(publisher._topic, partition) for partition in range(PARTITIONS)])
    seen: dict[int, float] = {}
    publisher.thread.start()
    while len(seen) < len(numbers):
        arrived = await consumer.getmany(timeout_ms=int(_GIVE_UP_S * 1000))
        now = time.perf_counter()
        for record in (record for records in arrived.values() for record in records):
            seen[numbers[read_envelope(record.value).id]] = now
    await consumer.stop()
    return seen


def main(mode: str, topic: str, rate: str, seconds: str) -> dict[str, Any]:
    """Publish and look."""
    publisher = Publisher(topic, int(rate), int(seconds))
    look: Callable[[Publisher], Any] = {"visible": visible, "bare": bare}[mode]
    cpu_s, began = time.process_time(), time.perf_counter()
    seen: dict[int, float] = asyncio.run(look(publisher))
    latencies = publisher.latencies_ms(seen)
    hundredths = quantiles(latencies, n=100)
    return {
        "p50_ms": hundredths[49],
        "p99_ms": hundredths[98],
        "looks": len(latencies),
        "offered_per_s": publisher.offered_per_s,
        "cores": (time.process_time() - cpu_s) / (time.perf_counter() - began),
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
