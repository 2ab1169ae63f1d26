"""Reports the status of all partitions of the topic every `watch_interval_s`, even while this process owns none."""

import asyncio
from collections.abc import Callable

from consumer.errors import NewConnection, Unavailable
from consumer.kafka.group_members import GroupMembers
from consumer.kafka.log_watch import LogWatch
from consumer.model.topic_status import TopicStatus
from consumer.partitions.topic_status import TopicStatusReader
from consumer.postgres.session import Connect, Session
from consumer.settings import Config


async def watch_topic(
    config: Config, connect: Connect, members: GroupMembers, report: Callable[[TopicStatus | None], None]
) -> None:
    """Read the status of the topic and report it, until cancelled.

    Args:
        config: all sections.
        connect: opens a connection to PostgreSQL; one at a time is used.
        members: the consumer group.
        report: called with the status; with None after a failed reading, which is repeated after `watch_interval_s`.

    Raises:
        OperatorNeeded: PostgreSQL refuses the query, and no retry helps.
    """
    session = Session(connect, config.database.timeout_s)
    log = LogWatch(config.kafka, config.topic.topic)
    reader = TopicStatusReader(config.topic, session, log, members)
    try:
        while True:
            try:
                report(await reader.read())
            except (Unavailable, NewConnection):
                session.close()  # after a failover, this connection may still be to a server that is read-only
                report(None)
            await asyncio.sleep(config.topic.watch_interval_s)
    finally:
        session.close()
        await log.close()
