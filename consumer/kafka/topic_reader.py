"""Reads a topic outside the consumer group: the bounds of its partitions, single records, all records.

It uses a client of its own, because the group's client may stop fetching without an error, and because a seek would
change the group client's position.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from agent_runs.kafka_options import client_options
from agent_runs.settings import KafkaSettings
from consumer.errors import Unavailable
from consumer.kafka.errors import CLIENT_ERRORS, translated_errors
from consumer.model.records import Record
from consumer.settings import CLIENT_ID

_TIMEOUT_S: Final = 10.0
_SCAN_RECORDS: Final = 2000


class Bounds(NamedTuple):
    """The offset of the first record of a partition's log, and the offset after its last committed record."""

    start_offset: int
    end_offset: int


class TopicReader:
    """Reads one topic. Several tasks may use it at the same time: reads of records wait for each other."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._reading = asyncio.Lock()
        self._consumer = AIOKafkaConsumer(
            **client_options(kafka, CLIENT_ID),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            request_timeout_ms=int(_TIMEOUT_S * 1000),
            # A broker answers the requests of a connection one by one, so a fetch may delay the next request by this.
            fetch_max_wait_ms=20,
        )

    @classmethod
    async def open(cls, kafka: KafkaSettings, topic: str) -> "TopicReader":
        """Connect to Kafka and return the reader.

        Raises:
            Unavailable: no broker answers.
        """
        reader = cls(kafka, topic)
        try:
            with translated_errors():
                await reader._consumer.start()
        except (Unavailable, asyncio.CancelledError):
            await reader.close()
            raise
        return reader

    async def close(self) -> None:
        """Disconnect from Kafka. Errors are ignored."""
        with suppress(*CLIENT_ERRORS):  # this client is in no group, so no other member waits for it
            await asyncio.wait_for(self._consumer.stop(), _TIMEOUT_S)

    async def bounds(self, partitions: Iterable[int]) -> dict[int, Bounds]:
        """Return the bounds of each partition.

        Raises:
            Unavailable: a broker does not answer, or a partition does not exist.
        """
        tps = [TopicPartition(self._topic, partition) for partition in partitions]
        begins = await self._with_deadline(self._consumer.beginning_offsets(tps))
        ends = await self._with_deadline(self._consumer.end_offsets(tps))
        return {tp.partition: Bounds(begins[tp], ends[tp]) for tp in tps}

    async def timestamp_at(self, partition: int, offset: int) -> int | None:
        """Return a record's timestamp, in milliseconds since 1970; None if no committed record is at the offset.

        Raises:
            Unavailable: the broker does not answer.
        """
        async with self._reading:
            tp = TopicPartition(self._topic, partition)
            self._consumer.assign([tp])
            self._consumer.seek(tp, offset)
            fetched = await self._with_deadline(self._consumer.getmany(tp, timeout_ms=2000, max_records=1))
            passed = await self._consumer.position(tp) > offset
        records = fetched.get(tp, [])
        if not passed:
            raise Unavailable(
                f"Kafka: partition {partition}: the record at offset {offset} could not be fetched in time"
            )
        return records[0].timestamp if records and records[0].offset == offset else None

    async def scan(self, partition: int, start_offset: int, end_offset: int) -> AsyncIterator[list[Record]]:
        """Yield the records from `start_offset` up to, not including, `end_offset`, at most 2,000 at a time.

        Raises:
            Unavailable: a broker does not answer.
        """
        async with self._reading:
            tp = TopicPartition(self._topic, partition)
            self._consumer.assign([tp])
            self._consumer.seek(tp, start_offset)
            while await self._consumer.position(tp) < end_offset:
                fetched = await self._with_deadline(
                    self._consumer.getmany(tp, timeout_ms=1000, max_records=_SCAN_RECORDS)
                )
                records = [record for record in fetched.get(tp, []) if record.offset < end_offset]
                if records:
                    yield records

    async def _with_deadline(self, request: Any) -> Any:
        with translated_errors():
            return await asyncio.wait_for(request, _TIMEOUT_S)
