"""Commits stored offsets to Kafka, for tools that show lag. The service itself reads offsets from PostgreSQL only."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

_log = structlog.get_logger()

_INTERVAL_S: Final = 1.0
_TIMEOUT_S: Final = 2.0


class OffsetCommitter:
    """Commits for one client; at most one commit at a time, and one per second."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._committed: dict[TopicPartition, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._next_at = 0.0

    def commit_later(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit in a background task, unless that was done less than a second ago."""
        now = asyncio.get_running_loop().time()
        if now >= self._next_at and (self._task is None or self._task.done()):
            self._next_at = now + _INTERVAL_S
            self._task = asyncio.create_task(self.commit(offsets))

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit the offsets that have changed; a failure is not an error, because the next commit contains them."""
        changed = {tp: offset for tp, offset in offsets.items() if self._committed.get(tp) != offset}
        if not changed:
            return
        try:
            await asyncio.wait_for(self._consumer.commit(changed), _TIMEOUT_S)
            self._committed |= changed
        except (KafkaError, TimeoutError) as error:
            _log.debug("Could not commit offsets to Kafka; trying again later", action="advise", error=repr(error))

    def forget(self) -> None:
        """Commit every offset again: another member may have committed others."""
        self._committed.clear()
