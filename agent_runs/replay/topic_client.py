"""Fetches the records of a topic, and follows its partitions from their start to their end."""

import time
from collections.abc import Iterable
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    KafkaError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
    UnsupportedCodecError,
)

from agent_runs.errors import KafkaUnavailable
from agent_runs.kafka.batch_reader import fetch_batch_bytes, read_unreadable
from agent_runs.kafka.records import UnreadableRecord
from agent_runs.kafka.topics import partition_of_key, partitions_of
from agent_runs.replay.topic import Selection
from agent_runs.replay.topic_items import Progress

CLIENT_ERRORS: Final = (KafkaError, OSError, TimeoutError)
# Those of the client's errors that a record causes. Parsing a record batch raises many others too, such as ValueError.
_RECORD_ERRORS: Final = (CorruptRecordException, RecordTooLargeError, UnsupportedCodecError)
_FETCH_RECORDS: Final = 1000
_FETCH_WAIT_S: Final = 0.2  # until the positions are compared with the ends
_TRIES: Final = 3  # of a record that cannot be parsed: a bit flipped in transit is correct in the next fetch
_TIMEOUT_S: Final = 60.0  # without any record although the log has some
_SHOWN_CHARACTERS: Final = 500


class TopicClient:
    """The partitions of a topic that are read, and their positions."""

    def __init__(self, client: Any, topic: str, selection: Selection) -> None:
        self._client = client
        self._topic = topic
        self._selection = selection
        self._key = None if selection.run_id is None else selection.run_id.encode()
        self._positions: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._lost: dict[int, int] = {}
        self._records = 0
        self._single = 0  # how many records are fetched one by one, because one of them cannot be parsed
        self._moved_at = time.monotonic()

    async def start(self) -> None:
        """Connect, and find where to begin and where to end."""
        await self._client.start()
        tps = [TopicPartition(self._topic, number) for number in await self._chosen_partitions()]
        self._starts = {tp.partition: offset for tp, offset in (await self._client.beginning_offsets(tps)).items()}
        self._ends = {tp.partition: offset for tp, offset in (await self._client.end_offsets(tps)).items()}
        wanted = await self._wanted_offsets(tps)
        for partition, start in self._starts.items():
            if wanted.get(partition, start) > self._ends[partition]:
                after = f"offset {wanted[partition]} of partition {partition} is after the end of its log"
                raise KafkaUnavailable(f"the topic {self._topic!r}: {after}, {self._ends[partition]}")
            if wanted.get(partition, start) < start:
                self._lost[partition] = wanted[partition]
            self._positions[partition] = max(wanted.get(partition, start), start)
        self._assign(self._starts if self._selection.follow else self.unfinished())

    async def _chosen_partitions(self) -> list[int]:
        known = await partitions_of(self._client._client, self._topic)  # noqa: SLF001
        if self._key is not None and self._selection.partitions is None:
            return [partition_of_key(self._key, len(known))]
        chosen = known if self._selection.partitions is None else sorted(self._selection.partitions)
        if missing := sorted({*chosen, *(self._selection.positions or ())} - set(known)):
            raise KafkaUnavailable(f"the topic {self._topic!r} has no partition {missing[0]}: it has {len(known)}")
        return chosen

    async def _wanted_offsets(self, tps: list[TopicPartition]) -> dict[int, int]:
        if self._selection.since is None:
            return dict(self._selection.positions or {})
        timestamp_ms = max(0, int(self._selection.since.timestamp() * 1000))
        found = await self._client.offsets_for_times(dict.fromkeys(tps, timestamp_ms))
        return {tp.partition: at.offset if at else self._ends[tp.partition] for tp, at in found.items()}

    def _assign(self, partitions: Iterable[int]) -> None:
        """Read these partitions, from their positions on."""
        tps = [TopicPartition(self._topic, partition) for partition in partitions]
        self._client.assign(tps)
        for tp in tps:
            self._client.seek(tp, self._positions[tp.partition])

    def unfinished(self) -> list[int]:
        """Return the partitions that have not been read to their end."""
        return [partition for partition, end in self._ends.items() if self._positions[partition] < end]

    def progress(self) -> Progress:
        """Return how far the reading is."""
        return Progress(dict(self._positions), self._starts, self._ends, dict(self._lost), self._records)

    async def fetch(self) -> list[Any]:
        """Return the next records of the run or of all runs: records of the client, and rejections of unreadable ones.

        None of them if the positions have passed other runs, transaction markers or aborted records, or nothing is new.
        """
        try:
            if self._single > 0:
                return await self._fetch_single()
            fetched = await self._getmany(_FETCH_RECORDS)
        except OffsetOutOfRangeError as error:
            await self._begin_after_loss(error)
            return []
        except Exception as error:
            if isinstance(error, CLIENT_ERRORS) and not isinstance(error, _RECORD_ERRORS):
                raise
            self._single = _FETCH_RECORDS  # the failed fetch has lost the records of all partitions
            return []
        return await self._accept(fetched)

    async def _getmany(self, most: int) -> dict[TopicPartition, list[Any]]:
        timeout_ms = int(_FETCH_WAIT_S * 1000)
        found: dict[TopicPartition, list[Any]] = await self._client.getmany(timeout_ms=timeout_ms, max_records=most)
        return found

    async def _accept(self, fetched: dict[TopicPartition, list[Any]]) -> list[Any]:
        """Move the positions, stop reading finished partitions, and return the records that are asked for."""
        found: list[Any] = []
        for tp in self._client.assignment():
            records = fetched.get(tp, [])
            self._records += len(records)
            wanted = records if self._key is None else [record for record in records if record.key == self._key]
            end = None if self._selection.follow else self._ends[tp.partition]
            found += wanted if end is None else [record for record in wanted if record.offset < end]
        await self._move_positions()
        return found

    async def _move_positions(self) -> None:
        before = dict(self._positions)
        for tp in self._client.assignment():
            position = await self._client.position(tp)  # also passes transaction markers and aborted records
            if not self._selection.follow:  # a record after the end is not returned, and must be read next time
                position = min(position, self._ends[tp.partition])
            self._positions[tp.partition] = max(self._positions[tp.partition], position)
        if self._positions != before:
            self._moved_at = time.monotonic()
            if not self._selection.follow and (finished := set(before) - set(self.unfinished())):
                self._client.pause(*(tp for tp in self._client.assignment() if tp.partition in finished))
        elif not self._selection.follow and time.monotonic() - self._moved_at > _TIMEOUT_S:
            raise KafkaUnavailable(f"nothing was fetched from the topic {self._topic!r} for {_TIMEOUT_S:g} s")

    async def _fetch_single(self) -> list[Any]:
        """Fetch the next record of each partition alone, so that the one that cannot be parsed is found."""
        found: list[Any] = []
        partitions = self.unfinished() if not self._selection.follow else list(self._positions)
        for partition in partitions:
            self._assign([partition])
            found += await self._next_single(partition)
        self._single -= 1
        if self._single == 0 or any(isinstance(record, UnreadableRecord) for record in found):
            self._single = 0
            self._assign(self._starts if self._selection.follow else self.unfinished())
        return found

    async def _next_single(self, partition: int) -> list[Any]:
        problem = ""
        for _ in range(_TRIES):
            try:
                return await self._accept(await self._getmany(1))
            except Exception as error:
                if isinstance(error, CLIENT_ERRORS) and not isinstance(error, _RECORD_ERRORS):
                    raise
                problem = repr(error)[:_SHOWN_CHARACTERS]
                self._assign([partition])
        return await self._read_unreadable(partition, problem)

    async def _read_unreadable(self, partition: int, problem: str) -> list[Any]:
        """Return the rest of the batch at the position, which holds a record that the client cannot parse."""

        async def fetch(offset: int) -> bytes:
            return await fetch_batch_bytes(self._client._client, self._topic, partition, offset)  # noqa: SLF001

        batch = await read_unreadable(fetch, partition, self._positions[partition], problem)
        if batch is None:
            return []
        self._positions[partition] = batch.end_offset
        self._records += len(batch.records)
        return [record for record in batch.records if self._key is None or record.key in (self._key, None)]

    async def _begin_after_loss(self, error: OffsetOutOfRangeError) -> None:
        """Continue at the start of the log, after the log has lost the records at a position."""
        lost = {tp.partition for tp in error.args[0]}
        tps = [TopicPartition(self._topic, partition) for partition in lost]
        for tp, start in (await self._client.beginning_offsets(tps)).items():
            self._lost.setdefault(tp.partition, self._positions[tp.partition])
            self._positions[tp.partition] = max(start, self._positions[tp.partition])
        self._assign(self._starts if self._selection.follow else self.unfinished())
