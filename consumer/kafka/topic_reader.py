"""Reads a topic outside the consumer group: the bounds of its partitions, single records, all records.

It uses a client of its own, because the group's client may stop fetching without an error, and because a seek would
change the group client's position.

A consumer reads single records as long as it runs, and a broker may limit the bytes per second that it fetches. So
these reads take as few bytes as Kafka allows: a fetch returns at least one batch, a search by time returns no batch.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from agent_runs.kafka.batch_reader import UnreadableBatch
from agent_runs.kafka.errors import FetchTooLarge
from agent_runs.kafka.records import Record
from agent_runs.settings import KafkaSettings
from consumer.errors import RecordUnreadable, Unavailable
from consumer.kafka.batch_reader import read_unreadable
from consumer.kafka.client_options import client_options
from consumer.kafka.errors import CLIENT_ERRORS, REQUEST_TIMEOUT_S, answered_within, unreadable_records
from consumer.kafka.fetch_size import FetchSize
from consumer.runtime.retrying import retry_while_unavailable
from consumer.settings import CLIENT_ID

_T = TypeVar("_T")
# The fetch of a single record returns the batch that holds it, however large the batch is, and no second one.
_RECORD_FETCH_BYTES: Final = 1
_SCAN_FETCH_BYTES: Final = 1024 * 1024
_SCAN_RECORDS: Final = 2000
_TRIES: Final = 3  # of a record that cannot be read: a bit flipped in transit is correct in the next fetch
_FETCH_WAIT_S: Final = 0.2  # between two looks at the position


class Bounds(NamedTuple):
    """The offset of the first record of a partition's log, and the offset after its last committed record."""

    start_offset: int
    end_offset: int


class TopicReader:
    """Reads one topic. Several tasks may use it at the same time: reads of records wait for each other.

    Args:
        kafka: how to reach the brokers.
        topic: the name of the topic.
        fetch_bytes: the most that a fetch returns, or one batch if that is larger.
        timeout_s: how long a request may take; at most 10 seconds are waited.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        fetch_bytes: int = _RECORD_FETCH_BYTES,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._timeout_s = min(timeout_s, REQUEST_TIMEOUT_S)
        self._size = FetchSize()
        self._reading = asyncio.Lock()
        self._consumer = AIOKafkaConsumer(
            **client_options(kafka, CLIENT_ID),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=fetch_bytes,
            request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
            # A broker answers the requests of a connection one by one, so a fetch may delay the next request by this.
            fetch_max_wait_ms=20,
        )

    @classmethod
    async def open(cls, kafka: KafkaSettings, topic: str, timeout_s: float = REQUEST_TIMEOUT_S) -> "TopicReader":
        """Connect to Kafka and return a reader of single records, with this timeout.

        Raises:
            Unavailable: no broker answers.
        """
        reader = cls(kafka, topic, timeout_s=timeout_s)
        try:
            await reader.connect()
        except (Unavailable, asyncio.CancelledError):
            await reader.close()
            raise
        return reader

    async def connect(self) -> None:
        """Connect to Kafka. To be called once, or again after it has raised Unavailable.

        Raises:
            Unavailable: no broker answers.
        """
        await self._answer(self._consumer.start)

    async def close(self) -> None:
        """Disconnect from Kafka. Errors are ignored."""
        with suppress(*CLIENT_ERRORS):  # this client is in no group, so no other member waits for it
            await asyncio.wait_for(self._consumer.stop(), self._timeout_s)

    async def bounds(self, partitions: Iterable[int]) -> dict[int, Bounds]:
        """Return the bounds of each partition.

        Raises:
            Unavailable: a broker does not answer, or a partition does not exist.
        """
        tps = [TopicPartition(self._topic, partition) for partition in partitions]
        begins = await self._answer(lambda: self._consumer.beginning_offsets(tps))
        ends = await self._answer(lambda: self._consumer.end_offsets(tps))
        return {tp.partition: Bounds(begins[tp], ends[tp]) for tp in tps}

    async def first_since(self, partition: int, timestamp_ms: int) -> tuple[int, int] | None:
        """Return offset and timestamp of the first record that is not older than `timestamp_ms`; None if all are older.

        Fetches no record: the broker searches its index.

        Args:
            partition: the partition's number.
            timestamp_ms: in milliseconds since 1970; not negative.

        Raises:
            Unavailable: a broker does not answer.
        """
        tp = TopicPartition(self._topic, partition)
        found = (await self._answer(lambda: self._consumer.offsets_for_times({tp: timestamp_ms})))[tp]
        return None if found is None else (found.offset, found.timestamp)

    async def timestamp_at(self, partition: int, offset: int) -> int | None:
        """Return a record's timestamp, in milliseconds since 1970; None if no committed record is at the offset.

        Fetches the batch that holds the record.

        Raises:
            Unavailable: the broker does not answer, or delays its answer because of a quota.
        """
        async with self._reading:
            tp = self._begin_reading(partition, offset)
            try:
                records = await self._answer(lambda: self._next_records(tp, 1))
            except RecordUnreadable as error:
                raise Unavailable(f"Kafka: partition {partition}: offset {offset}: {error}") from error
            finally:
                self._consumer.pause(tp)  # or the client fetches the next batch too
        return records[0].timestamp if records and records[0].offset == offset else None

    async def scan(self, partition: int, start_offset: int, end_offset: int) -> AsyncGenerator[list[Record], None]:
        """Yield the records from `start_offset` up to, not including, `end_offset`, at most 2,000 at a time.

        A record that cannot be read is an UnreadableRecord.

        Raises:
            Unavailable: a broker does not answer.
            UsageError: the header of a record batch is damaged, so that the next batch cannot be found.
        """
        most = _SCAN_RECORDS
        async with self._reading:
            tp = self._begin_reading(partition, start_offset)
            while (position := await self._consumer.position(tp)) < end_offset:
                try:
                    fetched = await self._answer(lambda most=most: self._next_records(tp, most))  # type: ignore[misc]
                    most = min(2 * most, _SCAN_RECORDS)
                except RecordUnreadable:
                    most = 1
                    batch = await self._unreadable_batch(partition, position)
                    self._begin_reading(partition, batch.end_offset if batch else position)
                    fetched = batch.records if batch else []
                records = [record for record in fetched if record.offset < end_offset]
                if records:
                    yield records

    async def unreadable_batch(self, partition: int, offset: int) -> UnreadableBatch | None:
        """Return the rest of the batch from `offset` on if the record there cannot be read; None if it can be.

        Raises:
            Unavailable: a broker does not answer.
            UsageError: the header of the batch is damaged, so that the next batch cannot be found.
        """
        async with self._reading:
            return await self._unreadable_batch(partition, offset)

    async def _unreadable_batch(self, partition: int, offset: int) -> UnreadableBatch | None:
        tp = TopicPartition(self._topic, partition)
        problem = ""
        for _ in range(_TRIES):
            self._begin_reading(partition, offset)
            try:
                await self._answer(lambda: self._next_records(tp, 1))
            except RecordUnreadable as error:
                problem = str(error)
            else:
                return None
            finally:
                self._consumer.pause(tp)
        return await self._answer(lambda: read_unreadable(self._kafka, self._topic, partition, offset, problem))

    def _begin_reading(self, partition: int, offset: int) -> TopicPartition:
        tp = TopicPartition(self._topic, partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, offset)
        return tp

    async def _next_records(self, tp: TopicPartition, max_records: int) -> list[Record]:
        """Return the next records; none if the position has passed transaction markers or aborted records instead.

        Raises:
            RecordUnreadable: the client cannot parse one of them.
        """
        position = await self._consumer.position(tp)
        records: list[Record] = []
        while not records and await self._consumer.position(tp) == position:
            most = self._size.begin(max_records)
            try:
                with unreadable_records():
                    fetched = await self._consumer.getmany(tp, timeout_ms=int(_FETCH_WAIT_S * 1000), max_records=most)
            except FetchTooLarge:
                self._size.shrink(most)
                self._consumer.seek(tp, position)
                continue
            self._size.grow()
            records = fetched.get(tp, [])
        return records

    async def _answer(self, request: Callable[[], Awaitable[_T]]) -> _T:
        async with answered_within(self._timeout_s):
            return await request()


class PatientTopicReader(TopicReader):
    """A reader for whole topics, which repeats each request while Kafka is unavailable, for `give_up_s` seconds.

    Its methods raise GaveUp instead of Unavailable.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, give_up_s: float) -> None:
        super().__init__(kafka, topic, _SCAN_FETCH_BYTES)
        self._give_up_s = give_up_s

    async def _answer(self, request: Callable[[], Awaitable[_T]]) -> _T:
        attempt = super()._answer
        return await retry_while_unavailable(lambda: attempt(request), "read the topic", self._give_up_s)
