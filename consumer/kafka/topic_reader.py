"""The topic's log, read beside the consumer group: its bounds, single records, all of them.

A second client, because the group's client cannot be trusted to notice that it stands still, and must not be made to
seek.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agent_runs.kafka_options import client_options
from agent_runs.settings import KafkaSettings
from consumer.config import CLIENT_ID
from consumer.errors import Unavailable
from consumer.model.records import Record

_ANSWER_TIMEOUT_S: Final = 10.0
_SCAN_RECORDS: Final = 2000


class Bounds(NamedTuple):
    """A partition's log: its first offset, and the one behind its last committed record."""

    start_offset: int
    end_offset: int


class TopicReader:
    """One topic's log."""

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._one_at_a_time = asyncio.Lock()
        self._consumer = AIOKafkaConsumer(
            **client_options(kafka, CLIENT_ID),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            request_timeout_ms=int(_ANSWER_TIMEOUT_S * 1000),
            # A broker answers a connection's requests one after the other: what is asked next waits behind a fetch.
            fetch_max_wait_ms=20,
        )

    @classmethod
    async def open(cls, kafka: KafkaSettings, topic: str) -> "TopicReader":
        """The log, with a client that is connected.

        Raises:
            Unavailable: no broker answers.
        """
        log = cls(kafka, topic)
        try:
            await log._consumer.start()
        except (KafkaError, OSError) as error:
            await log.close()
            raise Unavailable(f"Kafka: {error}") from error
        except asyncio.CancelledError:
            await log.close()
            raise
        return log

    async def close(self) -> None:
        """Disconnect."""
        with suppress(KafkaError, OSError, TimeoutError):  # nothing of ours depends on a clean end
            await asyncio.wait_for(self._consumer.stop(), _ANSWER_TIMEOUT_S)

    async def bounds(self, partitions: Iterable[int]) -> dict[int, Bounds]:
        """Where the partitions' logs begin and end.

        Raises:
            Unavailable: a broker does not answer, or a partition is not there.
        """
        tps = [TopicPartition(self._topic, partition) for partition in partitions]
        begins = await self._answer(self._consumer.beginning_offsets(tps))
        ends = await self._answer(self._consumer.end_offsets(tps))
        return {tp.partition: Bounds(begins[tp], ends[tp]) for tp in tps}

    async def timestamp_at(self, partition: int, offset: int) -> int | None:
        """The timestamp (ms) of the record at an offset; None if no committed record stands there.

        Raises:
            Unavailable: the broker did not say.
        """
        async with self._one_at_a_time:
            tp = TopicPartition(self._topic, partition)
            self._consumer.assign([tp])
            self._consumer.seek(tp, offset)
            arrived = await self._answer(self._consumer.getmany(tp, timeout_ms=2000, max_records=1))
            passed = await self._consumer.position(tp) > offset
        records = arrived.get(tp, [])
        if not passed:
            raise Unavailable(f"Kafka: no answer about the record at offset {offset} of partition {partition}")
        return records[0].timestamp if records and records[0].offset == offset else None

    async def scan(self, partition: int, start_offset: int, end_offset: int) -> AsyncIterator[list[Record]]:
        """The records from `start_offset` up to, not including, `end_offset`, a few thousand at a time."""
        async with self._one_at_a_time:
            tp = TopicPartition(self._topic, partition)
            self._consumer.assign([tp])
            self._consumer.seek(tp, start_offset)
            while await self._consumer.position(tp) < end_offset:
                arrived = await self._answer(self._consumer.getmany(tp, timeout_ms=1000, max_records=_SCAN_RECORDS))
                records = [record for record in arrived.get(tp, []) if record.offset < end_offset]
                if records:
                    yield records

    async def _answer(self, request: Any) -> Any:
        try:
            return await asyncio.wait_for(request, _ANSWER_TIMEOUT_S)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka: {error!r}") from error
