"""Whether a partition's log still holds the records that follow the stored offset."""

from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.model.records import Fingerprint
from consumer.postgres.store import Offsets


async def lost_offsets(stored: Offsets, bounds: Bounds, topic_reader: TopicReader) -> str | None:
    """Return why the log no longer has the records after the stored offset; None if it has them.

    Offsets alone do not show it: a topic that was deleted and created again has the same name and, after a while, the
    same offsets. The timestamp of the last record passed differs between the two logs.

    Raises:
        Unavailable: Kafka does not answer.
    """
    if stored.next_offset < bounds.start_offset:
        return (
            f"the log begins at offset {bounds.start_offset}: the records from offset {stored.next_offset} on were "
            "deleted by retention"
        )
    if stored.next_offset > bounds.end_offset:
        return (
            f"the log ends at offset {bounds.end_offset}, before the stored offset {stored.next_offset}: the topic was "
            "deleted and created again, or truncated"
        )
    if stored.fingerprint is not None and not await holds_record(
        stored.partition, stored.fingerprint, bounds, topic_reader
    ):
        return (
            f"the record stored from offset {stored.last_offset} is no longer in the log: the topic was deleted and "
            "created again"
        )
    return None


async def holds_record(partition: int, fingerprint: Fingerprint, bounds: Bounds, topic_reader: TopicReader) -> bool:
    """Return whether the log still holds this record, or retention may have deleted it.

    Raises:
        Unavailable: Kafka does not answer.
    """
    if fingerprint.offset < bounds.start_offset:
        return True  # deleted by retention: its absence does not show another log
    if fingerprint.offset >= bounds.end_offset:
        return False
    if await _is_latest_of_its_time(partition, fingerprint, topic_reader):
        return True
    timestamp_ms = await topic_reader.timestamp_at(partition, fingerprint.offset)
    # None: the offset of a committed record now has a transaction marker or an aborted record. A log never
    # replaces one by the other, so this is another log.
    return timestamp_ms is not None and Fingerprint.of(fingerprint.offset, timestamp_ms) == fingerprint


async def _is_latest_of_its_time(partition: int, fingerprint: Fingerprint, topic_reader: TopicReader) -> bool:
    """Return whether searches by time show, without a fetch, that the record has the timestamp of the fingerprint.

    A record of that millisecond is at or before its offset, and the first later record is behind it. With
    LogAppendTime, which the service expects, timestamps do not decrease, so the record is of that millisecond too. With
    CreateTime it could be older, but only in another log to which a producer has published the old timestamps again.
    """
    offset, timestamp_ms = fingerprint
    if timestamp_ms <= 0:  # not the record's own timestamp, or one that the protocol cannot search for
        return False
    first = await topic_reader.first_since(partition, timestamp_ms)
    if first is None or first[0] > offset or first[1] != timestamp_ms:
        return False
    if first[0] == offset:
        return True
    later = await topic_reader.first_since(partition, timestamp_ms + 1)
    return later is None or later[0] > offset
