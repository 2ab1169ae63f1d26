"""What happens in the demo: agents and a foreign producer publish, one consumer is killed, another one replaces it."""

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from aiokafka import AIOKafkaProducer

from agent_runs import Emitter
from examples.demo import foreign_producer
from examples.demo.agents import converse
from examples.demo.consumers import Consumer
from examples.demo.display import Display
from examples.demo.errors import DemoFailed
from examples.demo.tables import Counts, Database, read_counts

CONSUMERS = 2
SEED = 7
POLL_INTERVAL_S = 0.2
ASSIGN_TIMEOUT_S = 60.0
FLUSH_TIMEOUT_S = 30.0
CATCH_UP_TIMEOUT_S = 60.0

# When the actions happen, as parts of `Plan.seconds`. The kill is late enough to interrupt many runs, and early enough
# that many runs follow.
KILL_AT = 0.3
REPLACE_AT = 0.45
FOREIGN_RECORDS_AT = 0.8


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of the scenario.

    Attributes:
        conversations: the number of top-level runs.
        seconds: the time during which the runs start. The last run ends some seconds later.
    """

    conversations: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The counts after the last record, the number of records that Kafka accepted, and the time of the kill."""

    counts: Counts
    published: int
    killed_at: datetime


class Scenario:
    """Performs the plan once.

    Args:
        plan: the size of the scenario.
        environment: the environment variables of the consumers; agents and the foreign producer use the same Kafka and
            topic.
        logs: the directory for the logs of the consumers.
        database: for reading the counts.
        display: shows the counts and the actions.
    """

    def __init__(
        self, plan: Plan, environment: Mapping[str, str], logs: Path, database: Database, display: Display
    ) -> None:
        self._plan = plan
        self._environment = environment
        self._logs = logs
        self._database = database
        self._display = display
        self._kafka, self._topic = environment["KAFKA_BOOTSTRAP_SERVERS"], environment["AGENT_RUNS_TOPIC"]
        self._emitter = Emitter(environ={}, bootstrap_servers=self._kafka, topic=self._topic)
        self._consumers: list[Consumer] = []
        self._foreign_records = 0

    async def perform(self) -> Outcome:
        """Start the consumers, perform all actions, wait until every record is processed, and stop the consumers.

        Raises:
            DemoFailed: a consumer ended unexpectedly, or something took too long.
        """
        try:
            await asyncio.gather(*(self._start_consumer() for _ in range(CONSUMERS)))
            with self._display:
                actions = asyncio.create_task(self._act())
                try:
                    counts = await self._watch(actions)
                finally:
                    actions.cancel()  # no effect when they are done
                    await asyncio.wait([actions])  # runs that are cancelled publish `run_failed`
                self._display.log("every agent has finished or waits for a human; lag 0")
            for consumer in self._consumers:
                if consumer.state == "running":
                    consumer.stop()
        finally:
            for consumer in self._consumers:
                consumer.kill()
            await asyncio.to_thread(self._emitter.close)
        return Outcome(counts, self._published, killed_at=actions.result())

    @property
    def _published(self) -> int:
        """The number of records that Kafka has accepted."""
        return self._emitter.stats().sent + self._foreign_records

    async def _start_consumer(self) -> Consumer:
        """Start one more consumer, and wait until it has partitions."""
        consumer = Consumer(f"consumer-{len(self._consumers) + 1}", self._environment, self._logs)
        self._consumers.append(consumer)
        try:
            async with asyncio.timeout(ASSIGN_TIMEOUT_S):
                while not consumer.has_partitions():  # noqa: ASYNC110  # a log file cannot set an event
                    await asyncio.sleep(POLL_INTERVAL_S)
        except TimeoutError as error:
            raise DemoFailed(f"{consumer.name} got no partitions within {ASSIGN_TIMEOUT_S:.0f} s") from error
        return consumer

    async def _act(self) -> datetime:
        """Perform all actions, and return the time of the kill."""
        count = self._plan.conversations
        self._display.log(f"{CONSUMERS} consumers are ready; {count} agents begin")
        killing = asyncio.create_task(self._kill_and_replace())
        await asyncio.gather(killing, self._publish_foreign_records(), *map(self._converse, range(count)))
        await asyncio.to_thread(self._emitter.flush, FLUSH_TIMEOUT_S)
        stats = self._emitter.stats()
        if stats.sent != stats.emitted:
            raise DemoFailed(f"Kafka has accepted {stats.sent} of {stats.emitted} events: {stats}")
        return killing.result()

    async def _converse(self, number: int) -> None:
        await self._sleep(number / self._plan.conversations)
        await converse(self._emitter, Random(f"{SEED}:{number}"))

    async def _kill_and_replace(self) -> datetime:
        """Kill one consumer, start another one some time later, and return the time of the kill."""
        await self._sleep(KILL_AT)
        killed, killed_at = self._consumers[0], datetime.now(UTC)
        killed.kill()
        self._display.log(f"[bold red]{killed.name} killed[/] with SIGKILL, in the middle of its work")
        await self._sleep(REPLACE_AT - KILL_AT)
        self._display.log("[green]another consumer[/] starts, to replace it")
        successor = await self._start_consumer()
        self._display.log(f"[green]{successor.name} has its share[/] of the partitions: Kafka has reassigned them")
        return killed_at

    async def _publish_foreign_records(self) -> None:
        await self._sleep(FOREIGN_RECORDS_AT)
        messages = list(foreign_producer.messages())
        invalid = sum(message.rejected_as is not None for message in messages)
        self._display.log(f"[yellow]a foreign producer[/] sends {len(messages)} records, {invalid} of them invalid")
        async with AIOKafkaProducer(bootstrap_servers=self._kafka) as producer:
            for message in messages:
                await producer.send_and_wait(self._topic, value=message.value, key=message.key)
                self._foreign_records += 1

    async def _sleep(self, part: float) -> None:
        """Sleep for this part of the plan's seconds."""
        await asyncio.sleep(self._plan.seconds * part)

    async def _watch(self, actions: "asyncio.Task[datetime]") -> Counts:
        """Show the counts until all actions are done and the lag is 0. Returns the last counts."""
        deadline = math.inf
        while True:
            done = actions.done()  # read before the counts: counts that follow `done` include every record
            counts = await read_counts(self._database)
            self._display.update(counts, self._published, self._consumers)
            for consumer in self._consumers:
                consumer.check()
            if done:
                actions.result()
                if counts.processed >= self._published:
                    return counts
                deadline = min(deadline, time.monotonic() + CATCH_UP_TIMEOUT_S)
            if time.monotonic() > deadline:
                lag = self._published - counts.processed
                raise DemoFailed(f"the consumers did not catch up within {CATCH_UP_TIMEOUT_S:.0f} s: lag {lag}")
            await asyncio.sleep(POLL_INTERVAL_S)
