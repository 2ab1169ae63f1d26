"""Recovery from a failed transaction: PostgreSQL refuses a row."""

import pytest

from agent_runs.codec.records import Reason
from consumer.errors import ConnectionLost, DataRefused
from consumer.lanes.lanes import Lane
from consumer.model.batches import Slice
from consumer.model.claims import ClaimState
from consumer.model.records import Event, Rejection
from tests.support.builders import event, rejection
from tests.support.fakes import FakeWriter, ready, slice_of, write_all
from tests.support.recovery import if_batch_has, rejections

pytestmark = pytest.mark.usefixtures("delays")


def events(writer: FakeWriter) -> list[Event]:
    return [event for batch in writer.batches for slice_ in batch for event in slice_.events]


async def test_a_message_that_jsonb_cannot_hold_is_made_storable_and_its_bytes_are_kept(
    lane: Lane, writer: FakeWriter
) -> None:
    claim = ready(0, writer)
    plain, nul = event(offset=0), event(offset=1, data="a\0")
    original = nul.value
    writer.failure = lambda batch: (
        DataRefused("22P05") if any(b"u0000" in event.value for slice_ in batch for event in slice_.events) else None
    )
    lane.submit(Slice.of(claim, 0, 2, [plain, nul]))
    await write_all(lane)

    assert [(event.raw, event.value) for event in events(writer)] == [
        (None, plain.value),
        (original, original.replace(rb"\u0000", rb"\ufffd")),
    ]
    assert len(writer.attempts) == 2
    assert rejections(writer) == []


async def test_a_message_that_jsonb_refuses_is_rejected_with_the_message_of_postgresql(
    lane: Lane, writer: FakeWriter
) -> None:
    claim = ready(0, writer)
    writer.failure = if_batch_has(1, lambda: DataRefused("22003"))
    writer.refused = lambda values: {1: "value overflows numeric format"}
    lane.submit(slice_of(claim, 0, 4))
    await write_all(lane)

    assert rejections(writer) == [(1, Reason.STORE_REJECTED, "value overflows numeric format")]
    assert [event.record.offset for event in events(writer)] == [0, 2, 3]
    assert writer.stored == [[(0, 0, 4)]]


async def test_a_record_that_an_object_of_the_tables_refuses_halts_its_partition_and_is_not_rejected(
    lane: Lane, writer: FakeWriter
) -> None:
    # Given records of which an index refuses two, although JSONB can hold them,
    claim = ready(0, writer)
    first = if_batch_has(5, lambda: DataRefused("too long; index long_idx", names_object=True))
    second = if_batch_has(6, lambda: DataRefused("other"))
    writer.failure = lambda batch: first(batch) or second(batch)
    writer.added = ["trigger other of run_events"]
    lane.submit(slice_of(claim, 0, 8))

    # when the lane has retried,
    await write_all(lane)

    # then all records before the first one are stored, and the partition is halted with its offset and the index.
    assert rejections(writer) == []
    assert [event.record.offset for event in events(writer)] == [0, 1, 2, 3, 4]
    assert claim.next_offset == writer.position[0] == 5
    assert claim.state is ClaimState.HALTED
    assert "the record at offset 5: too long; index long_idx. " in claim.halt_reason
    assert "trigger" not in claim.halt_reason


async def test_the_halt_reason_names_the_added_objects_when_postgresql_names_none(
    lane: Lane, writer: FakeWriter
) -> None:
    claim = ready(0, writer)
    writer.failure = lambda batch: DataRefused("invalid input syntax")
    writer.added = ["index number_idx of run_events", "trigger tell of run_events"]
    lane.submit(slice_of(claim, 0, 1))
    await write_all(lane)

    assert "invalid input syntax" in claim.halt_reason
    assert claim.halt_reason.endswith("one of these may be: index number_idx of run_events, trigger tell of run_events")


async def test_the_partition_halts_even_when_the_added_objects_cannot_be_queried(
    lane: Lane, writer: FakeWriter
) -> None:
    claim = ready(0, writer)
    writer.failure = lambda batch: DataRefused("internal error")
    lane.submit(Slice.of(claim, 0, 1, [rejection()]))
    writer.query_errors = [ConnectionLost("one more")] * 2  # of the query for refused values, and of this one
    await write_all(lane)

    assert claim.halt_reason.endswith("the record at offset 0: internal error")


async def test_a_refusal_by_jsonb_is_a_rejection_even_when_an_object_refuses_other_records(
    lane: Lane, writer: FakeWriter
) -> None:
    claim = ready(0, writer)
    writer.failure = if_batch_has(2, lambda: DataRefused("by a trigger"))
    writer.refused = lambda values: {0: "overflow"} if len(values) == 4 else {}
    lane.submit(slice_of(claim, 0, 4))
    await write_all(lane)

    assert rejections(writer) == [(0, Reason.STORE_REJECTED, "overflow")]
    assert "the record at offset 2" in claim.halt_reason


async def test_after_a_refusal_the_partitions_of_the_batch_are_written_one_by_one(
    lane: Lane, writer: FakeWriter
) -> None:
    writer.failure = if_batch_has(1, lambda: DataRefused("no"), partition=1)
    for number in range(3):
        lane.submit(slice_of(ready(number, writer), 0, 2))
    await write_all(lane)

    assert writer.attempts[:2] == [[(0, 0, 2), (1, 0, 2), (2, 0, 2)], [(0, 0, 2)]]
    assert rejections(writer) == []
    assert writer.position == {0: 2, 1: 1, 2: 2}


async def test_a_dead_letter_that_postgresql_refuses_halts_the_partition_at_its_record(
    lane: Lane, writer: FakeWriter
) -> None:
    # Given a rejection between two events, and a table of dead letters that refuses its row,
    claim = ready(2, writer)
    writer.failure = lambda batch: DataRefused("a check") if any(slice_.rejections for slice_ in batch) else None
    items: list[Event | Rejection] = [
        event(partition=2, offset=0),
        rejection(partition=2, offset=1),
        event(partition=2, offset=2),
    ]
    lane.submit(Slice.of(claim, 0, 3, items))
    # when the lane has retried, then the event before it is stored, and the partition is halted.
    await write_all(lane)
    assert writer.position[2] == 1
    assert "the record at offset 1: a check" in claim.halt_reason


async def test_a_refusal_of_a_slice_without_records_halts_the_partition(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.failure = lambda batch: DataRefused("a trigger of consumer_offsets")
    lane.submit(Slice.of(claim, 0, 5, []))
    await write_all(lane)

    assert "offset 0: a trigger of consumer_offsets" in claim.halt_reason


async def test_the_batch_is_retried_later_when_the_refused_values_cannot_be_queried(
    lane: Lane, writer: FakeWriter, delays: list[int]
) -> None:
    writer.failure = if_batch_has(1, lambda: DataRefused("no"))
    writer.query_errors = [ConnectionLost("while asking")]
    writer.refused = lambda values: {1: "this one"}
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert rejections(writer) == [(1, Reason.STORE_REJECTED, "this one")]
    assert delays == [0]
