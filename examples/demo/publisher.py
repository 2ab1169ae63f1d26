"""Plays the agents' scripts through the emitter, and sends what a foreign producer has to say."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Self

from aiokafka import AIOKafkaProducer

from agent_runs import Emitter
from agent_runs.events import RunEvent
from examples.demo.agents import Script
from examples.demo.errors import DemoFailed

FLUSH_TIMEOUT_S = 30.0


class Publisher:
    """Everybody who publishes to the topic of the show.

    Attributes:
        told: the event ids of each run, in the order in which its agent has said them.
    """

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._topic = topic
        self._emitter = Emitter(environ={}, bootstrap_servers=bootstrap_servers, topic=topic)
        self._foreign = AIOKafkaProducer(bootstrap_servers=bootstrap_servers)
        self._foreign_records = 0
        self.told: dict[str, list[str]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        await self._foreign.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._foreign.stop()
        await asyncio.to_thread(self._emitter.close)

    @property
    def accepted(self) -> int:
        """How many records Kafka has acknowledged."""
        return self._emitter.stats().sent + self._foreign_records

    def tell(self, run_id: str, event: RunEvent) -> None:
        """An agent's event: it is not waited for."""
        self.told[run_id].append(self._emitter.emit(run_id, event))

    async def send(self, key: bytes | None, value: bytes) -> None:
        """A record of the foreign producer."""
        await self._foreign.send_and_wait(self._topic, value=value, key=key)
        self._foreign_records += 1

    async def flush(self) -> None:
        """Wait until Kafka has everything.

        Raises:
            DemoFailed: it has not.
        """
        await asyncio.to_thread(self._emitter.flush, FLUSH_TIMEOUT_S)
        stats = self._emitter.stats()
        if stats.sent != stats.emitted:
            raise DemoFailed(f"of {stats.emitted} events Kafka has acknowledged {stats.sent}: {stats}")


async def play(scripts: Sequence[Script], publisher: Publisher, within_s: float) -> None:
    """All scripts side by side, like the agents of a day; they begin one after the other within so many seconds."""
    async with asyncio.TaskGroup() as agents:
        for number, script in enumerate(scripts):
            agents.create_task(_play_one(script, publisher, begin_after_s=within_s * number / len(scripts)))


async def _play_one(script: Script, publisher: Publisher, begin_after_s: float) -> None:
    await asyncio.sleep(begin_after_s)
    for step in script:
        publisher.tell(step.run_id, step.event)
        await asyncio.sleep(step.pause_s)
