"""Measures how long partitions stand still: the time from the publication of a record until it is stored."""

from __future__ import annotations

import asyncio
from collections import deque
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
SHORT_S = 1.0  # shorter waits are not reported
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


class PartitionWaits:
    """The times at which the log of one partition had grown, and which of its records are not stored yet."""

    def __init__(self) -> None:
        self._ends: deque[tuple[int, float]] = deque()

    def observe(self, end_offset: int | None, stored_offset: int | None, now: float) -> Interval | None:
        """Take a sample; None where a server did not answer. Returns the longest wait that has ended."""
        longest = None
        while self._ends and stored_offset is not None and self._ends[0][0] <= stored_offset:
            _, grown_at = self._ends.popleft()
            longest = longest or Interval(grown_at, now)
        known = self._ends[-1][0] if self._ends else stored_offset
        if end_offset is not None and known is not None and end_offset > known:
            self._ends.append((end_offset, now))
        return longest


class Standstills:
    """Samples the log and the stored offsets of a round.

    Attributes:
        waits: the longer waits of all partitions.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self.waits: list[Interval] = []
        self._scene = endpoints.direct
        self._partitions = [PartitionWaits() for _ in range(PARTITIONS)]

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
        """Return the longest wait of a record, in seconds, by the fault that was the only one meanwhile."""
        longest: dict[str, float] = {}
        for wait in self.waits:
            active = {name for name, fault in faults if fault.overlaps(wait)}
            name = active.pop() if len(active) == 1 else SEVERAL_FAULTS if active else NO_FAULT
            longest[name] = max(longest.get(name, 0.0), wait.duration_s)
        return longest

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
            wait = partition.observe(ends.get(number), stored.get(number), now)
            if wait is not None and wait.duration_s > SHORT_S:
                self.waits.append(wait)

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
