"""The running consumer: its parts put together, watched over, and taken down in order."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import structlog

from agent_runs.settings import KafkaSettings
from consumer import loop
from consumer.config import Config, TopicConfig
from consumer.errors import KafkaClientBroken
from consumer.ingest.transaction import Transaction
from consumer.kafka.group_consumer import GroupConsumer
from consumer.kafka.topic_admin import check_topic
from consumer.kafka.topic_reader import TopicReader
from consumer.lanes.lanes import Lane, Lanes
from consumer.lanes.writer import Begin, Writer
from consumer.partitions.ownership import Ownership
from consumer.postgres.migrations import check_schema
from consumer.postgres.session import PatientSession, Session
from consumer.postgres.store import Store
from consumer.runtime.memory import tune_allocator
from consumer.runtime.retrying import retry_delay_s, retry_while_unavailable
from consumer.runtime.tasks import cancel_all
from consumer.telemetry.http import serve_http
from consumer.telemetry.observer import Observer
from consumer.until_end import wait_until_stored

_log = structlog.get_logger()


class Parts(NamedTuple):
    """What a test may wrap, to see what happens when the process dies there; the product has no other use for it."""

    source: Callable[[KafkaSettings, TopicConfig], GroupConsumer] = GroupConsumer
    begin: Begin = Transaction


async def serve(config: Config, *, to_end: bool, parts: Parts | None = None) -> None:
    """Consume until SIGTERM or SIGINT; or, `to_end`, up to where the log ends now.

    Raises:
        UsageError: the topic or the database is not one to consume from or write to.
        OperatorNeeded: `to_end` left partitions halted, or there is no remedy for what PostgreSQL refuses.
        GaveUp: `to_end`, and the world did not come back in time.
    """
    tune_allocator()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = Service(config, parts or Parts())
    server = serve_http(config.service, service.observer)
    try:
        stopped = asyncio.create_task(stop.wait(), name="stop")
        running = asyncio.create_task(service.run(stopped, to_end=to_end), name="service")
        await asyncio.wait({stopped, running}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done() and not service.consuming:
            await cancel_all([running])  # it waits for a world that is not there yet
        await asyncio.gather(running, return_exceptions=True)
        if not running.cancelled():
            running.result()
    finally:
        if server is not None:
            server.shutdown()


class Service:
    """One consumer.

    Attributes:
        consuming: whether there is anything to take down in order.
    """

    def __init__(self, config: Config, parts: Parts) -> None:
        self.config = config
        self.observer = Observer(config.topic.stall_s, config.topic.watch_interval_s)
        self.consuming = False
        self._parts = parts
        self._lanes = Lanes(
            [
                Lane(Writer(self._connect, config.database, parts.begin), config.ingest, self.observer)
                for _ in range(config.ingest.lanes)
            ]
        )

    async def _connect(self) -> Store:
        return await Store.connect(self.config.database, self.config.topic.topic)

    async def run(self, stopped: "asyncio.Task[Any]", *, to_end: bool) -> None:
        """Set up, consume, take down."""
        give_up_s = self.config.service.give_up_s if to_end else None
        kafka, topic = self.config.kafka, self.config.topic
        await self._check_database(give_up_s)
        partitions = await retry_while_unavailable(lambda: check_topic(kafka, topic), "check the topic", give_up_s)
        log = await retry_while_unavailable(lambda: TopicReader.open(kafka, topic.topic), "connect to Kafka", give_up_s)
        try:
            ends = await retry_while_unavailable(lambda: log.bounds(partitions), "read the log's ends", give_up_s)
            self.consuming = True
            others = {stopped, *self._lanes.start()}
            if to_end:
                session = Session(self._connect, min(self.config.database.timeout_s, self.config.service.give_up_s))
                reaching = wait_until_stored(ends, session, self.observer, log, self.config.service.give_up_s)
                others.add(_task(reaching, "until_end"))
            _log.info("Consuming", action="run", topic=topic.topic, group=topic.group)
            await self._consume_on(log, others)
        finally:
            await self._lanes.finish(self.config.service.shutdown_timeout_s)
            await log.close()
        _log.info("Stopped", action="stop")

    async def _check_database(self, give_up_s: float | None) -> None:
        session = PatientSession(self._connect, self.config.database.timeout_s, give_up_s)
        try:
            await session.ask(check_schema)
        finally:
            session.close()

    async def _consume_on(self, log: TopicReader, others: set["asyncio.Task[Any]"]) -> None:
        """Consume through one Kafka client after the other, until one of the other tasks ends."""
        failures = 0
        while True:
            joining = asyncio.create_task(retry_while_unavailable(self._join, "join the group"), name="join")
            await asyncio.wait({joining, *others}, return_when=asyncio.FIRST_COMPLETED)
            if not joining.done():
                await cancel_all([joining])
                return _raise_first(others)
            source = joining.result()
            try:
                return await self._consume(source, log, others)
            except KafkaClientBroken as error:
                _log.error("The Kafka client is made anew", action="source_broken", error=str(error))
                await asyncio.sleep(retry_delay_s(failures))
                failures += 1
            finally:
                await source.stop()

    async def _join(self) -> GroupConsumer:
        source = self._parts.source(self.config.kafka, self.config.topic)
        await source.start()
        return source

    async def _consume(self, source: GroupConsumer, log: TopicReader, others: set["asyncio.Task[Any]"]) -> None:
        """Consume until a task ends; then let the transactions end that are under way, unless the client is broken."""
        ownership = Ownership(source, log, self._connect, self.config, self._lanes.has_room)
        ours = {
            _task(loop.run(source, self._lanes, self.observer, self.config), "loop"),
            _task(ownership.run(), "ownership"),
        }
        try:
            await asyncio.wait(ours | others, return_when=asyncio.FIRST_COMPLETED)
            _raise_first(ours)
            if any(task.cancelled() for task in ours):  # not by us: that comes below
                raise KafkaClientBroken("the Kafka client cancelled what it was asked for")
        finally:
            await cancel_all(ours)
            ownership.close()
        # Before the group is left, so that the next owner of our partitions finds no transaction under way.
        await self._lanes.finish(self.config.service.shutdown_timeout_s)
        _raise_first(others)


def _task(work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
    return asyncio.create_task(work, name=name)


def _raise_first(tasks: set["asyncio.Task[Any]"]) -> None:
    """The error of a task that has ended, if one has with an error."""
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()
