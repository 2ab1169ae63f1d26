"""Measures how long partitions stand still: the stored offset does not move, although the log has more records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tests.nemesis.environment import PARTITIONS, Endpoints
from tests.support.servers.clients import connect

SAMPLED_EVERY_S = 0.25
ANSWER_S = 2.0
SHORT_S = 1.0  # shorter standstills are not reported
NO_FAULT, SEVERAL_FAULTS = "no fault", "several faults at once"


class Interval(NamedTuple):
    """An interval on the clock of `monotonic`, in seconds."""

    began: float
    ended: float

    @property
    def duration_s(self) -> float:
        return self.ended - self.began

    def overlaps(self, other: Interval) -> bool:
        return self.began < other.ended and other.began < self.ended


class PartitionProgress:
    """Since when one partition stands still: its stored offset is behind the end of its log, and does not move."""

    def __init__(self) -> None:
        self._end = 0
        self._stored = -1
        self._since: float | None = None

    def observe(self, end_offset: int | None, stored_offset: int | None, now: float) -> Interval | None:
        """Take a sample; None where a server did not answer. Returns the standstill that has ended."""
        if end_offset is not None:
            self._end = end_offset
        if stored_offset is None:
            return None  # the standstill, if any, continues
        ended = None
        if stored_offset != self._stored:
            ended = None if self._since is None else Interval(self._since, now)
            self._stored, self._since = stored_offset, None
        if self._since is None and self._end > stored_offset:
            self._since = now
        return ended


class Standstills:
    """Samples the log and the stored offsets of a round.

    Attributes:
        intervals: the longer standstills of all partitions.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self.intervals: list[Interval] = []
        self._scene = endpoints.direct
        self._partitions = [PartitionProgress() for _ in range(PARTITIONS)]

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        """Sample during the block."""
        sampling = asyncio.create_task(self._sample_repeatedly())
        try:
            yield
        finally:
            sampling.cancel()
            await asyncio.wait({sampling})

    def longest_by_fault(self, faults: Sequence[tuple[str, Interval]]) -> dict[str, float]:
        """Return the longest standstill, in seconds, by the fault that was the only one meanwhile."""
        longest: dict[str, float] = {}
        for interval in self.intervals:
            active = {name for name, fault in faults if fault.overlaps(interval)}
            name = active.pop() if len(active) == 1 else SEVERAL_FAULTS if active else NO_FAULT
            longest[name] = max(longest.get(name, 0.0), interval.duration_s)
        return longest

    def longest(self, faults: Sequence[tuple[str, Interval]]) -> str:
        """Return in words the longest standstill, and when, after its begin, each fault began and ended."""
        if not self.intervals:
            return "no partition stood still"
        longest = max(self.intervals, key=lambda interval: interval.duration_s)
        meanwhile = [
            f"{name} ({fault.began - longest.began:.1f} to {fault.ended - longest.began:.1f} s)"
            for name, fault in sorted(faults, key=lambda each: each[1])
            if fault.overlaps(longest)
        ]
        return f"{longest.duration_s:.1f} s, meanwhile: {', '.join(meanwhile) or NO_FAULT}"

    async def _sample_repeatedly(self) -> None:
        client = AIOKafkaConsumer(bootstrap_servers=self._scene.servers.bootstrap_servers)
        await client.start()
        try:
            while True:
                self._observe(await self._ends(client), await self._stored())
                await asyncio.sleep(SAMPLED_EVERY_S)
        finally:
            await client.stop()

    def _observe(self, ends: Mapping[int, int], stored: Mapping[int, int]) -> None:
        now = monotonic()
        for number, partition in enumerate(self._partitions):
            ended = partition.observe(ends.get(number), stored.get(number), now)
            if ended is not None and ended.duration_s > SHORT_S:
                self.intervals.append(ended)

    async def _ends(self, client: AIOKafkaConsumer) -> dict[int, int]:
        """Return the end offset of each partition; nothing if Kafka does not answer."""
        tps = [TopicPartition(self._scene.topic, number) for number in range(PARTITIONS)]
        with suppress(KafkaError, OSError, TimeoutError):
            ends = await asyncio.wait_for(client.end_offsets(tps), ANSWER_S)
            return {tp.partition: end for tp, end in ends.items()}
        return {}

    async def _stored(self) -> dict[int, int]:
        """Return the stored offset of each partition; nothing if PostgreSQL does not answer."""
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_S), connect(self._scene.database) as connection:
                rows = await connection.fetch("SELECT partition, next_offset FROM consumer_offsets")
                return {row["partition"]: row["next_offset"] for row in rows}
        return {}
