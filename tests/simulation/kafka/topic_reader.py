"""A model of the service's TopicReader, which reads offsets and records outside of the consumer group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from consumer.errors import Unavailable
from consumer.kafka.topic_reader import Bounds, TopicReader
from tests.simulation.environment import Environment, current_environment
from tests.simulation.kafka.topic import TOPIC

TIMEOUT_S = (0.2, 1.0)


class ModelTopicReader(TopicReader):
    """Answers from the environment's logs."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    @classmethod
    async def open(cls, kafka: Any, topic: str, *_: Any, **__: Any) -> ModelTopicReader:
        assert topic == TOPIC
        log = cls(current_environment())
        await log._request()
        return log

    async def close(self) -> None: ...

    async def bounds(self, partitions: Iterable[int]) -> dict[int, Bounds]:
        numbers = list(partitions)
        await self._request()
        starts = {number: self._env.logs[number].start_offset for number in numbers}
        await self._request()
        return {number: Bounds(starts[number], self._env.logs[number].end_offset) for number in numbers}

    async def first_since(self, partition: int, timestamp_ms: int) -> tuple[int, int] | None:
        await self._request()
        log = self._env.logs[partition]
        records = filter(None, map(log.at, range(log.start_offset, log.end_offset)))
        return next(((each.offset, each.timestamp) for each in records if each.timestamp >= timestamp_ms), None)

    async def timestamp_at(self, partition: int, offset: int) -> int | None:
        await self._request()
        log = self._env.logs[partition]
        if not log.start_offset <= offset < log.end_offset:
            raise Unavailable("Kafka: no answer about that record")
        record = log.at(offset)
        return None if record is None else record.timestamp

    async def _request(self) -> None:
        await self._env.network_delay()
        if not self._env.group.available:
            await self._env.random_delay(TIMEOUT_S)
            raise Unavailable("Kafka: no answer")
