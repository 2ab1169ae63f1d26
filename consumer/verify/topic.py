"""Compares the topic with the tables: every record below the stored offsets must be an event, dead letter or repeat."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

from agent_runs.codec.json_scan import without_unstorable
from agent_runs.codec.records import Reason, storable_timestamp
from agent_runs.kafka.records import Record, UnreadableRecord
from consumer.ingest.decoding import decode
from consumer.kafka.topic_reader import TopicReader
from consumer.model.records import Event, Rejection
from consumer.postgres.session import Session
from consumer.postgres.store import Offsets
from consumer.verify.difference import Difference

_MAX_COPIES: Final = 100  # that are named


class TopicCheck:
    """Compares the partitions of a topic with the tables, one after the other.

    Attributes:
        counts_by_outcome: the number of records found as `event`, `dead_letter` or `repeat`, or `missing`.
    """

    def __init__(self, session: Session, topic_reader: TopicReader, max_event_bytes: int) -> None:
        self._session = session
        self._topic_reader = topic_reader
        self._max_event_bytes = max_event_bytes
        self._last_seq: dict[str, int] = {}
        self._skipped: list[Mapping[str, Any]] = []
        self.counts_by_outcome: Counter[str] = Counter()

    async def compare(self, stored: Offsets) -> AsyncIterator[Difference]:
        """Compare the records of one partition below the stored offset with the tables.

        Raises:
            Unavailable, GaveUp: as the session and the reader raise them.
        """
        bounds = (await self._topic_reader.bounds([stored.partition]))[stored.partition]
        self._skipped = await self._session.run(
            lambda store: store.fetch("skipped_batches", store.topic, stored.partition)
        )
        before, repeats, earliest = self.counts_by_outcome["event"], self.counts_by_outcome["repeat"], None
        async for records in self._topic_reader.scan(stored.partition, bounds.start_offset, stored.next_offset):
            earliest = min([*(record.timestamp for record in records), *([] if earliest is None else [earliest])])
            async for difference in self._compare_records(stored.partition, records):
                yield difference
        if earliest is not None:
            log = (stored.partition, bounds.start_offset, stored.next_offset, storable_timestamp(earliest) or 0)
            for difference in await self._compare_counts(log, self.counts_by_outcome["event"] - before):
                yield difference
        repeats = self.counts_by_outcome["repeat"] - repeats
        # A topic that is consumed again has more repeats; records before first_offset were not passed.
        if stored.repeats < repeats and bounds.start_offset >= stored.first_offset:
            detail = f"repeats is {stored.repeats}, but the log has {repeats} records whose events are stored already"
            yield Difference("offsets", f"partition {stored.partition}", detail)

    async def _compare_counts(self, log: tuple[int, int, int, int], found: int) -> list[Difference]:
        """Compare the number of stored events with the number of those that were found in the log.

        Args:
            log: the parameters of the query `count_events`.
            found: how many records of the log are stored as events.
        """
        partition = log[0]
        (row,) = await self._session.fetch("count_events", *log)
        if row["events"] == found:
            return []
        detail = f"the tables have {row['events']} events from this partition's log, the log has {found}"
        copies = await self._session.fetch("records_of_several_events", *log, _MAX_COPIES)
        return [Difference("invented", f"partition {partition}", detail)] + [
            Difference(
                "invented",
                f"partition {partition} offset {copy['source_offset']}",
                f"several events have this offset, of which the log has one: {copy['events']}",
            )
            for copy in copies
        ]

    async def _compare_records(self, partition: int, records: Sequence[Record]) -> AsyncIterator[Difference]:
        timestamps = {record.offset: storable_timestamp(record.timestamp) for record in records}
        rows = await self._session.run(
            lambda store: store.fetch("dead_letters_by_offset", store.topic, partition, list(timestamps))
        )
        # Dead letters of a deleted topic of the same name may have the same offsets, but have other timestamps.
        letters = {
            row["record_offset"]: row for row in rows if row["record_timestamp"] == timestamps[row["record_offset"]]
        }
        letters |= _of_skipped_batches(self._skipped, timestamps, letters)
        items = [decode(record, self._max_event_bytes) for record in records]
        stored = await self._stored_events([item for item in items if isinstance(item, Event)])
        for item in items:
            outcome, differences = self._locate(item, stored.get(item.record.offset), letters.get(item.record.offset))
            self.counts_by_outcome[outcome] += 1
            for difference in differences:
                yield difference

    async def _stored_events(self, events: Sequence[Event]) -> dict[int, Mapping[str, Any]]:
        """Return the rows of run_events that have the ids of the events, by the offsets of the events."""
        values = [(event.run_id, event.envelope.id, without_unstorable(event.value), event.value) for event in events]
        columns = [(run_id, event_id, value, None if value is raw else raw) for run_id, event_id, value, raw in values]
        rows = await self._session.fetch("events_by_id", *map(list, zip(*columns, strict=True))) if columns else []
        return {events[row["position"] - 1].record.offset: row for row in rows}

    def _locate(
        self, item: Event | Rejection, row: Mapping[str, Any] | None, letter: Mapping[str, Any] | None
    ) -> tuple[str, list[Difference]]:
        """Return what a record was found as, and its differences. `row` has the same event id as the record."""
        from_this_record = row is not None and (row["source_partition"], row["source_offset"]) == _coordinates(item)
        if row is not None and from_this_record:
            return "event", list(self._check_event(item, row, letter))
        if letter is not None:
            return "dead_letter", list(_check_letter(item, letter))
        if row is not None and row["same"]:
            return "repeat", []
        return "missing", [
            Difference("missing", _where(item), "not stored as an event or a dead letter, and not a repeat")
        ]

    def _check_event(
        self, item: Event | Rejection, row: Mapping[str, Any], letter: Mapping[str, Any] | None
    ) -> Iterator[Difference]:
        if not row["same"]:
            yield Difference("altered", _where(item), "the stored event differs from the record")
        if row["created_at"] != item.record.timestamp:
            yield Difference("altered", _where(item), f"created_at is {row['created_at']}, not {item.record.timestamp}")
        if letter is not None:
            if letter["state"] != "resolved":
                yield Difference("twice", _where(item), "stored as an event and as an unresolved dead letter")
            return  # a retried event has a number later than its place in the log
        if isinstance(item, Event):
            if row["event_seq"] <= self._last_seq.get(item.run_id, -1):
                detail = f"event_seq {row['event_seq']} of run {item.run_id!r} is out of order"
                yield Difference("order", _where(item), detail)
            self._last_seq[item.run_id] = row["event_seq"]


def _check_letter(item: Event | Rejection, letter: Mapping[str, Any]) -> Iterator[Difference]:
    record = item.record
    comparable = letter["value"] is not None and record.key is None and isinstance(record, UnreadableRecord)
    if letter["reason"] == Reason.UNREADABLE and letter["key"] is None and not comparable:
        return  # of a skipped record whose key and value could not be told apart; now they can, or nothing was kept
    if (letter["key"], letter["value"]) != (record.key, record.value):
        yield Difference("altered", _where(item), "the bytes of the dead letter differ from the record")


def _of_skipped_batches(
    batches: Sequence[Mapping[str, Any]],
    timestamps: Mapping[int, int | None],
    letters: Mapping[int, Mapping[str, Any]],
) -> dict[int, Mapping[str, Any]]:
    """Return the dead letters of skipped batches, by the offset of each record that has no dead letter of its own.

    The timestamp of such a dead letter is the latest of the batch. An earlier log's is older than the records.
    """
    return {
        offset: batch
        for offset, timestamp in timestamps.items()
        for batch in batches
        if offset not in letters
        and offset - batch["record_offset"] in range(batch["offset_count"])
        and (batch["record_timestamp"] is None or timestamp is None or timestamp <= batch["record_timestamp"])
    }


def _coordinates(item: Event | Rejection) -> tuple[int, int]:
    return item.record.partition, item.record.offset


def _where(item: Event | Rejection) -> str:
    return f"partition {item.record.partition} offset {item.record.offset}"
