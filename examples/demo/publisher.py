"""Plays the agents' scripts to the topic, and counts what Kafka accepts."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from agent_runs.encoding import encode_event
from agent_runs.events import RunEvent
from examples.demo.agents import Script


class Publisher:
    """A producer of records for one topic.

    Attributes:
        accepted: how many records Kafka has acknowledged.
        told: the event ids of each run, in the order in which its agent has published them.
    """

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._topic = topic
        # Idempotent: a retry after a lost acknowledgement would be a second record. The consumer would drop it and
        # count it, but then this demo's sum at the end could not tell it from the repeat that is sent on purpose.
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True, linger_ms=10)
        self._failure: BaseException | None = None
        self.accepted = 0
        self.told: dict[str, list[str]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(self, key: bytes | None, value: bytes) -> None:
        """Hand one record over. Its acknowledgement is counted when it comes; see `flush`."""
        sent = await self._producer.send(self._topic, value=value, key=key)
        sent.add_done_callback(self._acknowledged)

    async def tell(self, run_id: str, event: RunEvent) -> None:
        """An agent's event, keyed by its run."""
        self.told[run_id].append(event.id)
        await self.send(run_id.encode(), encode_event(event))

    async def flush(self) -> None:
        """Wait until Kafka has answered for every record.

        Raises:
            KafkaError: Kafka refused one.
        """
        await self._producer.flush()
        if self._failure is not None:
            raise self._failure

    def _acknowledged(self, sent: "asyncio.Future[RecordMetadata]") -> None:
        if sent.cancelled():
            return
        self._failure = self._failure or sent.exception()
        self.accepted += sent.exception() is None


async def play(scripts: Sequence[Script], publisher: Publisher, within_s: float) -> None:
    """All scripts side by side, like the agents of a day; they begin one after the other within so many seconds."""
    async with asyncio.TaskGroup() as agents:
        for number, script in enumerate(scripts):
            agents.create_task(_play_one(script, publisher, begin_after_s=within_s * number / len(scripts)))


async def _play_one(script: Script, publisher: Publisher, begin_after_s: float) -> None:
    await asyncio.sleep(begin_after_s)
    for step in script:
        await publisher.tell(step.run_id, step.event)
        await asyncio.sleep(step.pause_s)
