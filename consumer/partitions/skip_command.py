"""The command `offsets skip`: passes over a record that halts its partition because it cannot be read or written."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import NamedTuple

from msgspec import structs

from agent_runs.codec.records import Reason, storable_timestamp
from agent_runs.kafka.decompression import decompression_limit
from agent_runs.kafka.records import PlainRecord, Record, UnreadableRecord
from consumer.errors import StaleOffsets, UsageError
from consumer.ingest.decoding import decode
from consumer.ingest.ingest import ingest
from consumer.ingest.refused_values import refused_values
from consumer.ingest.transaction import Transaction
from consumer.kafka.topic_admin import check_topic
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.model.batches import Slice, Stored
from consumer.model.claims import Claim
from consumer.model.records import Event, Rejection
from consumer.partitions.lost_offsets import lost_offsets
from consumer.partitions.write_attempts import attempt, write_problem
from consumer.postgres.session import Session
from consumer.postgres.store import Offsets, Store
from consumer.settings import Config


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
    3. If it can be read, try to write it, as a consumer does. Skip it if each attempt loses the connection, exceeds a
       limit of time or memory, or has too little memory.

    Raises:
        UsageError: the partition is not halted at this record; nothing was skipped.
        Unavailable: a broker does not answer.
    """
    give_up_s = config.service.give_up_s
    await check_topic(config.kafka, config.topic, timeout_s=give_up_s)
    decompression_limit.set(config.topic.decompression_limit)
    topic_reader = await TopicReader.open(config.kafka, config.topic.topic, timeout_s=give_up_s)
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
    item = _to_item(record, config.topic.max_event_bytes)
    problem = await write_problem(session, _slice(stored, record.offset + 1, [item]))
    return await _store_unwritable(session, decision, stored, record, problem)


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


async def _store_unwritable(
    session: Session, decision: Decision, stored: Offsets, record: Record, problem: str
) -> Skipped:
    """Store the dead letter of a record that cannot be written; without its bytes if these cannot be written either."""
    whole = _slice(stored, record.offset + 1, [Rejection(record, Reason.UNREADABLE, problem)])
    written = await attempt(session, lambda store: _write_decision(store, decision, whole))
    if isinstance(written, Stored):
        return _skipped(whole, written)
    bare = PlainRecord(record.partition, record.offset, record.timestamp, None, None, ())
    rejection = Rejection(bare, Reason.UNREADABLE, f"{problem}, also as a dead letter; its bytes are only in the log")
    return await _store(session, decision, _slice(stored, record.offset + 1, [rejection]))
