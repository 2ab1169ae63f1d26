"""The running consumer: creates its parts, runs their tasks, and stops them in order."""

import asyncio
import signal
from collections.abc import Coroutine
from functools import partial
from typing import Any

import structlog

from consumer import loop
from consumer.errors import KafkaClientBroken, MemberRefused, TopicRefused
from consumer.kafka.group_consumer import GroupConsumer
from consumer.kafka.group_members import GroupMembers
from consumer.kafka.topic_admin import check_topic
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.lanes.lanes import Lane, Lanes
from consumer.lanes.writer import Writer
from consumer.membership.group_watch import GroupWatch
from consumer.membership.instance_check import InstanceCheck
from consumer.membership.process_sessions import ProcessSessions
from consumer.model.members import new_token
from consumer.partitions.ownership import Ownership
from consumer.partitions.topic_watch import watch_topic
from consumer.postgres.requirements import CONSUME, check_database
from consumer.postgres.session import PatientSession, Session
from consumer.postgres.store import Store
from consumer.runtime.allocator import tune_allocator
from consumer.runtime.cancellation import cancel_all
from consumer.runtime.login_deadline import LoginDeadline
from consumer.runtime.retrying import retry_on, retry_while_unavailable
from consumer.settings import Config
from consumer.telemetry.health_server import http_server
from consumer.telemetry.observer import Observer
from consumer.until_end import wait_until_stored

_log = structlog.get_logger()


async def serve(config: Config, *, to_end: bool) -> None:
    """Run a consumer until SIGTERM or SIGINT.

    Args:
        config: all sections.
        to_end: return also when the records that are in the log at the start are stored.

    Raises:
        UsageError: the topic does not exist, or the schema of the database is not the expected one.
        OperatorNeeded: PostgreSQL refused something that no retry can change; with `to_end`, or if partitions are
            halted.
        GaveUp: only with `to_end`: Kafka or PostgreSQL stayed unavailable, or no stored offset moved, for `give_up_s`
            seconds.
    """
    tune_allocator()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = Service(config)
    async with http_server(config.service, service.observer):
        stopped = asyncio.create_task(stop.wait(), name="stop")
        running = asyncio.create_task(service.run(stopped, to_end=to_end), name="service")
        await asyncio.wait({stopped, running}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done() and not service.consuming:
            await cancel_all([running])  # it still waits for Kafka or PostgreSQL; there is nothing to finish
        await asyncio.gather(running, return_exceptions=True)
        if not running.cancelled():
            running.result()


class Service:
    """One consumer.

    Attributes:
        consuming: lanes have been started: `run` must be left to finish their transactions.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        topic = config.topic
        self.observer = Observer(topic.stall_s, topic.watch_interval_s, topic.open_transaction_s)
        self.consuming = False
        self._token = new_token()
        self._members = GroupMembers(config.kafka, topic)
        self._lanes = Lanes(
            [
                Lane(Writer(self._connect, config.database), config.ingest, self.observer)
                for _ in range(config.ingest.lanes)
            ]
        )

    async def _connect(self) -> Store:
        return await Store.connect(self.config.database, self.config.topic.topic)

    async def run(self, stopped: "asyncio.Task[Any]", *, to_end: bool) -> None:
        """Run the consumer until `stopped` is done.

        1. Check the schema and the topic, and connect to Kafka.
        2. Start the lanes.
        3. Consume; with another Kafka client whenever one breaks.
        4. Let open transactions end, and disconnect.

        Errors as of `serve`.
        """
        give_up_s = self.config.service.give_up_s if to_end else None
        kafka, topic = self.config.kafka, self.config.topic
        await self._check_database(give_up_s)  # 1
        login = LoginDeadline(self._check_topic, self.config.service.give_up_s)
        partitions = await retry_while_unavailable(login.run, "check the topic", give_up_s)
        topic_reader = await retry_while_unavailable(
            lambda: TopicReader.open(kafka, topic.topic), "connect to Kafka", give_up_s
        )
        background: set[asyncio.Task[Any]] = set()
        try:
            ends = await retry_while_unavailable(
                lambda: topic_reader.bounds(partitions), "read the log's ends", give_up_s
            )
            self.consuming = True
            stop_tasks = {stopped, *self._lanes.start()}  # 2
            watching = self._wait_until_stored(ends, topic_reader) if to_end else self._watch_topic()
            background.add(_task(watching, "until_end" if to_end else "watch_topic"))
            stop_tasks |= background
            _log.info("Consuming", action="run", topic=topic.topic, group=topic.group)
            await retry_on(  # 3
                KafkaClientBroken, lambda: self._join_and_consume(topic_reader, stop_tasks), self._report_broken_client
            )
        finally:
            await self._lanes.finish(self.config.service.shutdown_timeout_s)  # 4
            await cancel_all(background)
            await self._members.close()
            await topic_reader.close()
        _log.info("Stopped", action="stop")

    async def _check_database(self, give_up_s: float | None) -> None:
        login = LoginDeadline(self._connect, self.config.service.give_up_s)
        session = PatientSession(login.run, self.config.database.timeout_s, give_up_s)
        try:
            await session.run(partial(check_database, rights=CONSUME))
        finally:
            session.close()

    async def _check_topic(self) -> list[int]:
        try:
            return await check_topic(self.config.kafka, self.config.topic, warn=True)
        except TopicRefused as error:
            self.observer.refused(str(error))
            raise

    async def _wait_until_stored(self, ends: dict[int, Bounds], topic_reader: TopicReader) -> None:
        give_up_s = self.config.service.give_up_s
        session = Session(self._connect, min(self.config.database.timeout_s, give_up_s))
        await wait_until_stored(ends, session, self.observer, topic_reader, give_up_s)

    async def _watch_topic(self) -> None:
        await watch_topic(self.config, self._connect, self._members, self.observer.on_topic)

    def _report_broken_client(self, error: BaseException, wait_s: float) -> None:
        if isinstance(error, MemberRefused):
            self.observer.refused(str(error))
        else:
            self.observer.broken(str(error), wait_s)

    async def _join_and_consume(self, topic_reader: TopicReader, stop_tasks: set["asyncio.Task[Any]"]) -> None:
        """Consume with a new Kafka client until one of `stop_tasks` ends.

        Raises:
            KafkaClientBroken: the client must be replaced; it has left the group.
        """
        joining = asyncio.create_task(retry_while_unavailable(self._join, "join the group"), name="join")
        await asyncio.wait({joining, *stop_tasks}, return_when=asyncio.FIRST_COMPLETED)
        if not joining.done():
            await cancel_all([joining])
            return _raise_first(stop_tasks)
        group_consumer = joining.result()
        watch = self._group_watch()
        watching = _task(watch.run(), "group_watch")
        try:
            return await self._consume(group_consumer, topic_reader, stop_tasks | {watching})
        finally:
            await group_consumer.stop()
            await cancel_all([watching])

    def _group_watch(self) -> GroupWatch:
        topic = self.config.topic
        sessions = None
        if topic.group_instance_id is None:  # a static member that restarts keeps its partitions
            sessions = ProcessSessions(self._connect, self.config.database.connect_timeout_s, self._token)
        instance = InstanceCheck(topic.group_instance_id, self._token)
        return GroupWatch(self._members, sessions, instance, self.observer)

    async def _join(self) -> GroupConsumer:
        group_consumer = GroupConsumer(self.config.kafka, self.config.topic, self._token)
        await group_consumer.start()
        return group_consumer

    async def _consume(
        self, group_consumer: GroupConsumer, topic_reader: TopicReader, stop_tasks: set["asyncio.Task[Any]"]
    ) -> None:
        """Consume until one of `stop_tasks` ends; then let open transactions end, unless the client is broken."""
        ownership = Ownership(group_consumer, topic_reader, self._connect, self.config, self._lanes.has_room)
        own = {
            _task(loop.run(group_consumer, self._lanes, self.observer, self.config), "loop"),
            _task(ownership.run(), "ownership"),
        }
        try:
            await asyncio.wait(own | stop_tasks, return_when=asyncio.FIRST_COMPLETED)
            _raise_first(own)
            if any(task.cancelled() for task in own):  # not by this method, which cancels them only below
                raise KafkaClientBroken("the Kafka client cancelled a call")
        finally:
            self.observer.left()
            await cancel_all(own)
            ownership.close()
        # Before the group is left, so that the next owner of the partitions meets no open transaction.
        await self._lanes.finish(self.config.service.shutdown_timeout_s)
        _raise_first(stop_tasks)


def _task(work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
    return asyncio.create_task(work, name=name)


def _raise_first(tasks: set["asyncio.Task[Any]"]) -> None:
    """Raise the error of a task that has ended with one."""
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()
