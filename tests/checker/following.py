"""Reads the log and the tables as they grow, with clients that survive outages of their servers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Event
from time import monotonic

import asyncpg
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.checker.incremental import LogBuffer
from tests.checker.log import Place
from tests.checker.reading import load_queries, make_consumer, not_none, record_of, start_offsets
from tests.checker.tables import DeadLetterRow, EventRow, LossRow, MoveRow, OffsetRow, RunRow, Tables

POLL_S = 0.1
RECORDS_A_POLL = 2_000
# A consumed record can be read at once. After this time without one, check whether the log ends before it.
CHECK_END_AFTER_S = 3.0
ANSWER_S = 5.0
EMPTY_SNAPSHOT = "1:1:"  # a snapshot that sees nothing

CLIENT_SETTINGS: Mapping[str, str | int] = {
    "log_level": 0,  # otherwise it logs each attempt to connect to a broker that is down
    "socket.timeout.ms": 10_000,
    "reconnect.backoff.max.ms": 1_000,
    "auto.offset.reset": "earliest",  # continue after records that retention has deleted
    "queued.max.messages.kbytes": 16_384,
}

# Make the planner use the index even while its statistics say that the table is empty. Without JIT: the disabled plan
# types add such a high cost that PostgreSQL would compile every query.
PLANNER_SETTINGS = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off", "jit": "off"}


class LogFollower:
    """Reads a topic from its start, in several calls. Not thread-safe."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        """Raises KafkaException if the broker does not answer."""
        self._consumer = make_consumer(bootstrap_servers, **CLIENT_SETTINGS)
        try:
            starts = start_offsets(self._consumer, topic)
        except KafkaException:
            self._consumer.close()
            raise
        self.log_buffer = LogBuffer(topic, starts)
        self._consumer.assign([TopicPartition(topic, partition, start) for partition, start in starts.items()])

    def read_to(self, offsets: Mapping[int, int], stopped: Event) -> None:
        """Read up to the offsets. Returns before only if the log ends before them or `stopped` is set."""
        progress = monotonic()
        while (missing := self.log_buffer.missing(offsets)) and not stopped.is_set():
            if self._poll():
                progress = monotonic()
            elif monotonic() - progress > CHECK_END_AFTER_S:
                if all(self._is_beyond_the_end(partition, offset) for partition, offset in missing.items()):
                    return
                progress = monotonic()

    def close(self) -> None:
        self._consumer.close()

    def _poll(self) -> bool:
        messages = self._consumer.consume(RECORDS_A_POLL, POLL_S)
        for message in messages:
            error = message.error()
            if error is None:
                self.log_buffer.add(record_of(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                self.log_buffer.reached(not_none(message.partition()), not_none(message.offset()))
            # Any other error is temporary: the client retries.
        return bool(messages)

    def _is_beyond_the_end(self, partition: int, offset: int) -> bool:
        try:
            at = TopicPartition(self.log_buffer.topic, partition)
            _, end = self._consumer.get_watermark_offsets(at, timeout=ANSWER_S)
        except KafkaException:
            return False  # unknown: the broker does not answer
        return end < offset


class TablesFollower:
    """Reads the rows that are new since the previous snapshot, over one connection."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection
        self._queries = load_queries("tables.sql") | load_queries("following.sql")

    @classmethod
    async def connect(cls, database_url: str) -> TablesFollower:
        """Connect. Raises asyncpg's errors and OSError if PostgreSQL is unavailable."""
        connection = await asyncpg.connect(
            database_url, timeout=ANSWER_S, command_timeout=2 * ANSWER_S, server_settings=PLANNER_SETTINGS
        )
        return cls(connection)

    async def prepare(self) -> None:
        """Create the index and the audit trigger, unless they exist."""
        await self._connection.execute(self._queries["index"])
        await self._connection.execute(self._queries["audit"])

    async def read(self, last: str, starts: Mapping[int, int]) -> tuple[str, Tables]:
        """Take a snapshot. Returns its `pg_snapshot`, and the rows that are new in it.

        Args:
            last: the `pg_snapshot` of the previous one.
            starts: by partition, the offset from which on all events are read. Of earlier offsets, only the events of
                dead letters that were retried since are read.
        """
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            name = await self._connection.fetchval(self._queries["now"])
            dead_letters = [DeadLetterRow(**row) for row in await self._fetch("dead_letters", last)]
            events = [EventRow(**row) for row in await self._fetch("events", list(starts), list(starts.values()))]
            events += await self._retried(dead_letters, starts)
            return str(name), Tables(
                runs=[RunRow(**row) for row in await self._fetch("runs", last)],
                events=events,
                offsets=[OffsetRow(**row) for row in await self._fetch("offsets")],
                dead_letters=dead_letters,
                moves=[MoveRow(**row) for row in await self._fetch("moves", last)],
                losses=[LossRow(**row) for row in await self._fetch("losses", last)],
            )

    def terminate(self) -> None:
        self._connection.terminate()

    async def _retried(self, dead_letters: Iterable[DeadLetterRow], starts: Mapping[int, int]) -> list[EventRow]:
        places = [Place(letter.partition, letter.record_offset) for letter in dead_letters]
        passed = [place for place in places if place.offset < starts.get(place.partition, 0)]
        rows = await self._fetch("events_at", [p.partition for p in passed], [p.offset for p in passed])
        return [EventRow(**row) for row in rows]

    async def _fetch(self, query: str, *parameters: object) -> list[asyncpg.Record]:
        return list(await self._connection.fetch(self._queries[query], *parameters))
