"""The running consumer: its parts put together, watched over, and taken down in order."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

import structlog

from agent_runs.settings import KafkaSettings
from consumer import loop
from consumer.config import Config, TopicConfig
from consumer.errors import SourceBroken
from consumer.http import serve_http
from consumer.lanes import Lane, Lanes
from consumer.log import Bounds, Log
from consumer.migrations import check_schema
from consumer.observe import Observer
from consumer.ownership import Ownership
from consumer.patience import backoff_s, patiently
from consumer.source import Source
from consumer.store import Store
from consumer.topic import check_topic
from consumer.transaction import Transaction
from consumer.until_end import reach
from consumer.writer import Begin, Writer

_log = structlog.get_logger()

_CANCEL_AGAIN_S: Final = 0.5


class Parts(NamedTuple):
    """What a test may wrap, to see what happens when the process dies there; the product has no other use for it."""

    source: Callable[[KafkaSettings, TopicConfig], Source] = Source
    begin: Begin = Transaction


async def serve(config: Config, *, to_end: bool, parts: Parts | None = None) -> None:
    """Consume until SIGTERM or SIGINT; or, `to_end`, up to where the log ends now.

    Raises:
        UsageError: the topic or the database is not one to consume from or write to.
        OperatorNeeded: `to_end` left partitions halted, or there is no remedy for what PostgreSQL refuses.
        GaveUp: `to_end`, and the world did not come back in time.
    """
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
            running.cancel()  # it waits for a world that is not there yet
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
        self.observer = Observer(config.topic.stall_s)
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
        log, ends = await self._set_up(give_up_s)
        try:
            self.consuming = True
            others = {stopped, *self._lanes.start()}
            if to_end:
                reaching = reach(ends, self._connect, self.observer, log, self.config.service.give_up_s)
                others.add(_task(reaching, "until_end"))
            _log.info("Consuming", action="run", topic=self.config.topic.topic, group=self.config.topic.group)
            await self._consume_on(log, others)
        finally:
            await self._lanes.finish(self.config.service.shutdown_timeout_s)
            await log.close()
        _log.info("Stopped", action="stop")

    async def _set_up(self, give_up_s: float | None) -> tuple[Log, dict[int, Bounds]]:
        """Everything that must be right before the first record is asked for; gives the log, and where it ends now."""
        kafka, topic = self.config.kafka, self.config.topic

        async def check_database() -> None:
            store = await self._connect()
            try:
                await check_schema(store)
            finally:
                store.terminate()

        await patiently(check_database, "check the schema", give_up_s)
        partitions = await patiently(lambda: check_topic(kafka, topic), "check the topic", give_up_s)
        log = await patiently(lambda: Log.open(kafka, topic.topic), "connect to Kafka", give_up_s)
        return log, await patiently(lambda: log.bounds(partitions), "read the log's ends", give_up_s)

    async def _consume_on(self, log: Log, others: set["asyncio.Task[Any]"]) -> None:
        """Consume through one Kafka client after the other, until one of the other tasks ends."""
        failures = 0
        while True:
            joining = asyncio.create_task(patiently(self._join, "join the group"), name="join")
            await asyncio.wait({joining, *others}, return_when=asyncio.FIRST_COMPLETED)
            if not joining.done():
                joining.cancel()
                return _raise_first(others)
            source = joining.result()
            try:
                return await self._consume(source, log, others)
            except SourceBroken as error:
                _log.error("The Kafka client is made anew", action="source_broken", error=str(error))
                await asyncio.sleep(backoff_s(failures))
                failures += 1
            finally:
                await source.stop()

    async def _join(self) -> Source:
        source = self._parts.source(self.config.kafka, self.config.topic)
        await source.start()
        return source

    async def _consume(self, source: Source, log: Log, others: set["asyncio.Task[Any]"]) -> None:
        """Consume until a task ends; then let the transactions end that are under way, unless the client is broken."""
        ownership = Ownership(source, log, self._connect, self.config, self._lanes.has_room)
        ours = {
            _task(loop.run(source, self._lanes, self.observer, self.config), "loop"),
            _task(ownership.run(), "ownership"),
        }
        try:
            await asyncio.wait(ours | others, return_when=asyncio.FIRST_COMPLETED)
            _raise_first(ours)
        finally:
            await _end(ours)
            ownership.close()
        # Before the group is left, so that the next owner of our partitions finds no transaction under way.
        await self._lanes.finish(self.config.service.shutdown_timeout_s)
        _raise_first(others)


def _task(work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
    return asyncio.create_task(work, name=name)


async def _end(tasks: set["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks until they have ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11, which aiokafka uses too, forgets that it was cancelled when
    the answer comes in the same moment.
    """
    while running := {task for task in tasks if not task.done()}:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


def _raise_first(tasks: set["asyncio.Task[Any]"]) -> None:
    """The error of a task that has ended, if one has with an error."""
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()
