"""Follows the partitions of a topic from their start to their end, and returns their records."""

import asyncio
import time
from collections import deque
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from agent_runs.errors import KafkaUnavailable
from agent_runs.kafka.batch_reader import fetch_batch_bytes, read_unreadable
from agent_runs.kafka.topics import partition_of_key, partitions_of
from agent_runs.replay.errors import NoSuchPosition
from agent_runs.replay.topic_fetches import Fetched, TopicFetches
from agent_runs.replay.topic_items import Progress
from agent_runs.replay.topic_records import FetchedRecords
from agent_runs.replay.topic_selection import Selection

CLIENT_ERRORS: Final = (KafkaError, OSError, TimeoutError)
_ENOUGH_RECORDS: Final = 1000
_FETCH_WAIT_S: Final = 0.2  # until the topic's partitions are compared with those that are read
_TRIES: Final = 3  # of a record that cannot be parsed: a bit flipped in transit is correct in the next fetch
_TIMEOUT_S: Final = 60.0  # without any record although the log has some
_SHOWN_CHARACTERS: Final = 500


class Records(NamedTuple):
    """Consecutive records of a partition: those of the client, and unreadable ones."""

    partition: int
    records: list[Any]


class TopicClient:
    """The partitions of a topic that are read, and their positions."""

    def __init__(self, client: Any, topic: str, selection: Selection) -> None:
        self._client = client
        self._topic = topic
        self._selection = selection
        self._key = None if selection.run_id is None else selection.run_id.encode()
        self._fetches = TopicFetches(client._client, topic)  # noqa: SLF001
        self._received: deque[FetchedRecords] = deque()
        self._positions: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._lost: dict[int, int] = {}
        self._known = 0  # how many partitions the topic has
        self._records = 0
        self._failures: dict[tuple[int, int], int] = {}  # by partition and offset
        self._waited_s = 0.0

    async def start(self) -> None:
        """Connect, and find where to begin and where to end."""
        await self._client.start()
        tps = [TopicPartition(self._topic, number) for number in await self._chosen_partitions()]
        await self._client._client.set_topics([self._topic])  # noqa: SLF001
        self._starts = {tp.partition: offset for tp, offset in (await self._client.beginning_offsets(tps)).items()}
        self._ends = {tp.partition: offset for tp, offset in (await self._client.end_offsets(tps)).items()}
        wanted = await self._wanted_offsets(tps)
        for partition, start in self._starts.items():
            if wanted.get(partition, start) > self._ends[partition]:
                after = f"offset {wanted[partition]} of partition {partition} is after the end of its log"
                raise NoSuchPosition(f"the topic {self._topic!r}: {after}, {self._ends[partition]}")
            if wanted.get(partition, start) < start:
                self._lost[partition] = wanted[partition]
            self._positions[partition] = max(wanted.get(partition, start), start)

    def close(self) -> None:
        """Abandon the outstanding requests."""
        self._fetches.close()

    async def _chosen_partitions(self) -> list[int]:
        known = await partitions_of(self._client._client, self._topic)  # noqa: SLF001
        self._known = len(known)
        if self._key is not None and self._selection.partitions is None:
            return [partition_of_key(self._key, len(known))]
        chosen = known if self._selection.partitions is None else sorted(self._selection.partitions)
        if missing := sorted({*chosen, *(self._selection.positions or ())} - set(known)):
            raise NoSuchPosition(f"the topic {self._topic!r} has no partition {missing[0]}: it has {len(known)}")
        return chosen

    async def _wanted_offsets(self, tps: list[TopicPartition]) -> dict[int, int]:
        if self._selection.since is None:
            return dict(self._selection.positions or {})
        timestamp_ms = max(0, int(self._selection.since.timestamp() * 1000))
        found = await self._client.offsets_for_times(dict.fromkeys(tps, timestamp_ms))
        return {tp.partition: at.offset if at else self._ends[tp.partition] for tp, at in found.items()}

    def unfinished(self) -> list[int]:
        """Return the partitions that have not been read to their end."""
        return [partition for partition, end in self._ends.items() if self._positions[partition] < end]

    def progress(self) -> Progress:
        """Return how far the reading is."""
        return Progress(dict(self._positions), self._starts, self._ends, dict(self._lost), self._records)

    async def fetch(self) -> Records | None:
        """Return the next records of the run or of all runs, or None.

        None: the positions have passed other runs, transaction markers or aborted records, or nothing is new.
        """
        while self._received:
            first = self._received[0]
            if first.is_empty or first.position != self._positions[first.partition]:
                self._received.popleft()
            else:
                return await self._accept(first)
        await self._receive()
        return None

    async def _receive(self) -> None:
        """Wait for responses, and send the next requests, which the brokers answer while the records are decoded."""
        if self._selection.follow:
            self._add_partitions()
        began_at = time.monotonic()
        self._fetches.send(self._wanted_positions())
        for fetched in await self._fetches.receive(_FETCH_WAIT_S):
            if fetched.offset != self._positions[fetched.partition]:
                continue  # the position was moved after the request
            if fetched.is_lost:
                await self._begin_after_loss(fetched)
            else:
                self._received.append(FetchedRecords(fetched))
        self._fetches.send(self._wanted_positions())
        await asyncio.sleep(0)  # or the requests would be written after the records are decoded
        self._check_waiting(time.monotonic() - began_at)

    def _wanted_positions(self) -> dict[int, int]:
        """Return, by unfinished partition, the offset after the records that were received."""
        after = self._positions | {each.partition: each.end_offset for each in self._received}
        return {
            partition: offset
            for partition, offset in after.items()
            if self._selection.follow or offset < self._ends[partition]
        }

    def _check_waiting(self, waited_s: float) -> None:
        self._waited_s = 0.0 if self._received else self._waited_s + waited_s
        if self._waited_s > _TIMEOUT_S and not self._selection.follow:
            error = f": {self._fetches.error!r}" if self._fetches.error else ""
            raise KafkaUnavailable(f"nothing was fetched from the topic {self._topic!r} for {_TIMEOUT_S:g} s{error}")

    async def _accept(self, fetched: FetchedRecords) -> Records:
        """Return the next records of a response that are asked for, and move the position."""
        partition = fetched.partition
        records = fetched.take(_ENOUGH_RECORDS)
        self._positions[partition] = fetched.position
        if fetched.problem is not None:
            records += await self._read_unreadable(partition, repr(fetched.problem)[:_SHOWN_CHARACTERS])
        self._records += len(records)
        if self._key is not None:
            records = [record for record in records if record.key in (self._key, None)]
        end = self._ends[partition]
        if not self._selection.follow and self._positions[partition] > end:
            # A record after the end is not returned, and must be read next time.
            self._positions[partition] = end
            records = [record for record in records if record.offset < end]
        return Records(partition, records)

    async def _read_unreadable(self, partition: int, problem: str) -> list[Any]:
        """Return the rest of the batch at the position, which holds a record that the client cannot parse.

        None of it before the batch has been fetched three times: the outstanding request does not fit the position.
        """
        place = (partition, self._positions[partition])
        self._failures[place] = self._failures.get(place, 0) + 1
        if self._failures[place] < _TRIES:
            return []

        async def fetch(offset: int) -> bytes:
            return await fetch_batch_bytes(self._client._client, self._topic, partition, offset)  # noqa: SLF001

        batch = await read_unreadable(fetch, partition, self._positions[partition], problem)
        if batch is None:
            return []
        self._positions[partition] = batch.end_offset
        return batch.records

    def _add_partitions(self) -> None:
        """Also read the partitions that were added to the topic, or the one that the key of the run now belongs to."""
        count = len(self._client._client.cluster.partitions_for_topic(self._topic) or ())  # noqa: SLF001
        if count <= self._known or self._selection.partitions is not None:
            return
        added = range(self._known, count) if self._key is None else [partition_of_key(self._key, count)]
        self._known = count
        for partition in set(added) - set(self._positions):
            self._positions[partition] = self._starts[partition] = self._ends[partition] = 0

    async def _begin_after_loss(self, fetched: Fetched) -> None:
        """Continue at the start of the log, after the log has lost the records at a position."""
        tp = TopicPartition(self._topic, fetched.partition)
        start = (await self._client.beginning_offsets([tp]))[tp]
        self._lost.setdefault(tp.partition, fetched.offset)
        self._positions[tp.partition] = max(start, fetched.offset)
