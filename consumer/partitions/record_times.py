"""Determines when the next record of a partition was written: the first that is not stored."""

from collections.abc import Mapping
from typing import NamedTuple

from consumer.errors import Unavailable
from consumer.kafka.log_watch import LogWatch


class Position(NamedTuple):
    """How far a partition is stored.

    Attributes:
        next_offset: the offset after the last record passed, or the start of the log.
        last_ms: the timestamp of the last record passed; None before the first.
    """

    next_offset: int
    last_ms: int | None


class RecordTimes:
    """Remembers the time of each partition's next record until its offset moves.

    Brokers search for the times in their indexes. A fetch would return a whole batch, and a quota may limit the bytes
    that consumers fetch. It remains for topics whose timestamps are set by producers, and may decrease.
    """

    def __init__(self, log: LogWatch) -> None:
        self._log = log
        self._known: dict[int, tuple[int, int]] = {}  # offset and time, by partition

    async def of_next_records(self, positions: Mapping[int, Position]) -> dict[int, int]:
        """Return the times of the next records, in milliseconds since 1970; without those that are not known.

        Args:
            positions: of the partitions that have a next record.

        Raises:
            Unavailable: a broker does not answer the search.
        """
        moved = {number: each for number, each in positions.items() if self._offset(number) != each.next_offset}
        searched = {number: -1 if each.last_ms is None else each.last_ms for number, each in moved.items()}
        newer = await self._log.first_after(searched) if searched else {}
        to_fetch = []
        for number, position in moved.items():
            time_ms = _time_of_next(position, newer.get(number))
            if time_ms is None:
                to_fetch.append(number)
            else:
                self._known[number] = position.next_offset, time_ms
        await self._fetch({number: moved[number].next_offset for number in to_fetch})
        return {
            number: self._known[number][1]
            for number, each in positions.items()
            if self._offset(number) == each.next_offset
        }

    async def at(self, partition: int, offset: int) -> int | None:
        """Return when a record was written; None if that is not known now. Fetches its batch."""
        try:
            return await self._log.written_at(partition, offset)
        except Unavailable:  # a quota may delay the answer
            return None

    async def _fetch(self, offsets: Mapping[int, int]) -> None:
        for number, offset in offsets.items():
            time_ms = await self.at(number, offset)
            if time_ms is None:
                return  # the others would wait for a deadline too
            self._known[number] = offset, time_ms

    def _offset(self, partition: int) -> int | None:
        return self._known[partition][0] if partition in self._known else None


def _time_of_next(position: Position, newer: tuple[int, int] | None) -> int | None:
    """Return the time of the next record; None if only a fetch shows it.

    `newer` are offset and timestamp of the first record that is newer than the last one passed. Timestamps that brokers
    set do not decrease, so the records between the two have the timestamp of the last one.
    """
    if newer is None:
        return position.last_ms
    offset, time_ms = newer
    if offset < position.next_offset:
        return None
    return time_ms if offset == position.next_offset or position.last_ms is None else position.last_ms
