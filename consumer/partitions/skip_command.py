"""The command `offsets skip`: passes over a record that halts its partition because it cannot be read or written."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple

from msgspec import structs

from consumer.errors import ConnectionLost, DataRefused, StaleOffsets, UsageError
from consumer.ingest.decoding import decode
from consumer.ingest.ingest import ingest
from consumer.ingest.refused_values import refused_values
from consumer.ingest.transaction import Transaction
from consumer.kafka.decompression import decompression_limit
from consumer.kafka.topic_admin import check_topic
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.model.batches import Slice, Stored
from consumer.model.claims import Claim
from consumer.model.records import Event, PlainRecord, Reason, Record, Rejection, UnreadableRecord, storable_timestamp
from consumer.partitions.lost_offsets import lost_offsets
from consumer.postgres.session import Session
from consumer.postgres.store import Offsets, Store
from consumer.settings import Config

_WRITES: Final = 3  # a record must lose the connection this often, as in a consumer


class Decision(NamedTuple):
    """What an operator has decided: which record to skip, who decided it, and why."""

    partition: int
    offset: int
    by: str
    because: str


class Skipped(NamedTuple):
    """What a skip has done.

    Attributes:
        problem: why the record could not be read or written.
        offset_count: the number of offsets that the dead letter of the record stands for.
        end_offset: where the partition continues.
        stored: of the records behind it in the same batch, and its own dead letter.
    """

    problem: str
    offset_count: int
    end_offset: int
    stored: Stored


async def skip(config: Config, session: Session, decision: Decision) -> Skipped:
    """Skip the record that halts a partition: it becomes a dead letter, and the stored offset moves behind it.

    1. Check that the partition is stored up to the record, and that its log still has the record.
    2. If the record cannot be read, skip it. The client reads a batch from its start, so nothing behind the record can
       be read either: the rest of the batch is parsed here and stored in the same transaction.
    3. If it can be read, try to write it, as a consumer does. Skip it if the connection to PostgreSQL is lost each
       time.

    Raises:
        UsageError: the partition is not halted at this record; nothing was skipped.
        Unavailable: a broker does not answer.
    """
    await check_topic(config.kafka, config.topic)
    decompression_limit.set(config.topic.decompression_limit)
    topic_reader = await TopicReader.open(config.kafka, config.topic.topic)
    try:
        stored, bounds = await _check_position(session, topic_reader, decision)  # 1
        batch = await topic_reader.unreadable_batch(decision.partition, stored.next_offset)  # 2
        if batch is not None:
            _check_offset(decision, stored.next_offset)
            items = [_to_item(record, config.topic.max_event_bytes) for record in batch.records]
            return await _store(session, decision, _slice(stored, batch.end_offset, items))
        record = await _next_record(topic_reader, stored, bounds)  # 3
    finally:
        await topic_reader.close()
    _check_offset(decision, record.offset)
    await _check_unwritable(session, _slice(stored, record.offset + 1, [decode(record, config.topic.max_event_bytes)]))
    return await _store_unwritable(session, decision, stored, record)


async def _check_position(session: Session, reader: TopicReader, decision: Decision) -> tuple[Offsets, Bounds]:
    """Return the stored offsets of the partition and the bounds of its log, which has records behind them."""
    partition, offset = decision.partition, decision.offset
    stored = (await session.run(Store.offsets)).get(partition)
    if stored is None:
        raise UsageError(f"partition {partition} has no stored offset; `offsets show` lists the partitions")
    bounds = (await reader.bounds([partition]))[partition]
    if problem := await lost_offsets(stored, bounds, reader):
        raise UsageError(f"partition {partition}: {problem}: use `offsets accept-loss`")
    if not stored.next_offset <= offset < bounds.end_offset:
        raise UsageError(
            f"partition {partition} is not halted at offset {offset}: it is stored up to offset {stored.next_offset}, "
            f"and its log ends at offset {bounds.end_offset}"
        )
    return stored, bounds


def _check_offset(decision: Decision, offset: int) -> None:
    if offset != decision.offset:
        raise UsageError(
            f"partition {decision.partition} is not halted at offset {decision.offset}: the next record to store is at "
            f"offset {offset}"
        )


async def _next_record(topic_reader: TopicReader, stored: Offsets, bounds: Bounds) -> Record:
    async with aclosing(topic_reader.scan(stored.partition, stored.next_offset, bounds.end_offset)) as pages:
        async for records in pages:
            return records[0]
    raise UsageError(f"partition {stored.partition} has no record from offset {stored.next_offset} on: nothing to skip")


def _to_item(record: Record, max_event_bytes: int) -> Event | Rejection:
    if isinstance(record, UnreadableRecord):
        return Rejection(record, Reason.UNREADABLE, record.problem)
    item = decode(record, max_event_bytes)
    if isinstance(item, Event):
        item.make_storable()  # a consumer tries the original first; for one batch this is cheap
    return item


def _slice(stored: Offsets, end_offset: int, items: Sequence[Event | Rejection]) -> Slice:
    """Return a slice without a fingerprint: the stored one stays. A consumer must be able to read its record."""
    whole = Slice.of(Claim(stored.partition), stored.next_offset, end_offset, items)
    return structs.replace(whole, fingerprint=None)


async def _store(session: Session, decision: Decision, slice_: Slice) -> Skipped:
    """Store the slice, whose first rejection is that of the record, together with the decision."""
    return _skipped(slice_, await session.run(lambda store: _write_decision(store, decision, slice_)))


def _skipped(slice_: Slice, stored: Stored) -> Skipped:
    rejection = min(slice_.rejections, key=lambda each: each.record.offset)
    return Skipped(rejection.detail, rejection.offset_count, slice_.end_offset, stored)


async def _write_decision(store: Store, decision: Decision, slice_: Slice) -> Stored:
    records = [event.record for event in slice_.events]
    refused = await refused_values([event.value for event in slice_.events], store)
    slice_.reject(Rejection(records[index], Reason.STORE_REJECTED, message) for index, message in refused.items())
    unreadable = [each.record for each in slice_.rejections if each.reason is Reason.UNREADABLE]
    columns = [record.offset for record in unreadable], [storable_timestamp(record.timestamp) for record in unreadable]
    try:
        async with store.transaction():
            stored = await ingest([slice_], Transaction(store), check_existing=True)
            row = (store.topic, decision.partition, *columns, decision.because, decision.by)
            await store.fetch("record_skip", *row)
    except StaleOffsets as error:
        raise UsageError(
            f"the stored offset of partition {decision.partition} has changed meanwhile; check it with `offsets show`"
        ) from error
    return stored


async def _check_unwritable(session: Session, slice_: Slice) -> None:
    """Return if the connection is lost whenever the slice, which is one record, is written.

    Raises:
        UsageError: the record is stored now, or PostgreSQL refuses its message, which halts no partition.
    """

    async def write(store: Store) -> Stored:
        async with store.transaction():
            return await ingest([slice_], Transaction(store), check_existing=True)

    where = f"partition {slice_.claim.partition} is not halted at its next record"
    try:
        stored = await _unless_lost(session, write)
    except DataRefused as error:
        raise UsageError(f"{where}: a consumer makes a dead letter of it ({error})") from error
    except StaleOffsets as error:
        raise UsageError(f"{where}: it was stored meanwhile; nothing was skipped") from error
    if stored is not None:
        raise UsageError(f"{where}: it can be read and written, and is stored now; nothing was skipped")


async def _store_unwritable(session: Session, decision: Decision, stored: Offsets, record: Record) -> Skipped:
    """Store the dead letter of a record that loses the connection; without its bytes if they lose it too."""
    problem = "the connection to PostgreSQL is lost whenever the record is written"
    whole = _slice(stored, record.offset + 1, [Rejection(record, Reason.UNREADABLE, problem)])
    written = await _unless_lost(session, lambda store: _write_decision(store, decision, whole))
    if written is not None:
        return _skipped(whole, written)
    bare = PlainRecord(record.partition, record.offset, record.timestamp, None, None, ())
    rejection = Rejection(bare, Reason.UNREADABLE, f"{problem}, also as a dead letter; its bytes are only in the log")
    return await _store(session, decision, _slice(stored, record.offset + 1, [rejection]))


async def _unless_lost(session: Session, work: Callable[[Store], Awaitable[Stored]]) -> Stored | None:
    """Return the result of `work`; None if it loses the connection three times."""

    async def attempt(store: Store) -> Stored | None:
        try:
            return await work(store)
        except ConnectionLost:
            return None

    for _ in range(_WRITES):
        if (stored := await session.run(attempt)) is not None:
            return stored
        session.close()
    return None
