"""Parses the committed records of fetched record batches, up to one that cannot be parsed."""

from collections.abc import Iterator
from typing import Any

from aiokafka.errors import CorruptRecordException
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.memory_records import MemoryRecords

from agent_runs.kafka.record_batches import offset_after
from agent_runs.replay.topic_fetches import Fetched


class FetchedRecords:
    """The records of a partition in a response. The Kafka client's class for this takes twice the time for a record.

    Attributes:
        partition: the partition's number.
        position: the offset of the next record. It also passes transaction markers and aborted records.
        end_offset: the offset after the last complete batch.
        problem: the client's error if the batch at the position cannot be parsed.
    """

    def __init__(self, fetched: Fetched) -> None:
        self.partition = fetched.partition
        self.position = fetched.offset
        self.end_offset = offset_after(fetched.data, fetched.offset)
        self.problem: Exception | None = None
        self._batches = MemoryRecords(fetched.data)
        self._aborted = sorted(fetched.aborted, key=_first_offset)
        self._aborted_producers: set[int] = set()

    @property
    def is_empty(self) -> bool:
        """Whether no further record can be taken."""
        return self.problem is not None or not self._batches.has_next()

    def take(self, enough: int) -> list[Any]:
        """Return the next records: those of whole batches, until there are `enough`, or up to a `problem`."""
        found: list[Any] = []
        first = self.position
        try:
            while len(found) < enough and self._batches.has_next():
                batch = self._batches.next_batch()
                found.extend(self._committed(batch))
                self.position = max(self.position, batch.next_offset)
        except Exception as error:  # noqa: BLE001  # parsing raises many errors, such as ValueError
            self.problem = error
            self.position = max(self.position, found[-1].offset + 1) if found else self.position
        if found and found[0].offset < first:  # a batch may begin before the offset that was requested
            return [record for record in found if record.offset >= first]
        return found

    def _committed(self, batch: Any) -> Iterator[Any]:
        """Return the records of a batch; none of a transaction marker or an aborted transaction."""
        if not batch.validate_crc():
            raise CorruptRecordException("the CRC of the record batch is wrong")
        if batch.producer_id is not None:
            while self._aborted and self._aborted[0][1] <= batch.base_offset:
                self._aborted_producers.add(self._aborted.pop(0)[0])
            if batch.is_control_batch and ControlRecord.parse(next(iter(batch)).key) == ABORT_MARKER:
                self._aborted_producers.discard(batch.producer_id)
        is_aborted = batch.is_transactional and batch.producer_id in self._aborted_producers
        return iter(()) if batch.is_control_batch or is_aborted else iter(batch)


def _first_offset(transaction: tuple[int, int]) -> int:
    return transaction[1]
