"""Recovery from a failed transaction: a limit of time or memory is exceeded, or this process has too little memory."""

from collections.abc import Callable

import pytest

from consumer.errors import ConnectionLost, DataRefused, OutOfMemory, StoreError, Unavailable
from consumer.lanes.lanes import Lane
from consumer.model.claims import ClaimState
from tests.support.fakes import FakeWriter, ready, slice_of, times, write_all
from tests.support.recovery import if_batch_has, if_larger_than, rejections

pytestmark = pytest.mark.usefixtures("delays")


# --- a limit of time or memory ---


LIMITS = [
    lambda: Unavailable("canceled (SQLSTATE 57014)", limit_exceeded=True),
    lambda: ConnectionLost("no answer (SQLSTATE 57014)", limit_exceeded=True),
]


@pytest.mark.parametrize("error", LIMITS, ids=["a timeout of PostgreSQL", "the deadline"])
async def test_a_batch_that_exceeds_a_limit_is_halved_until_it_fits(
    lane: Lane, writer: FakeWriter, delays: list[int], error: Callable[[], StoreError]
) -> None:
    claim = ready(0, writer)
    writer.failure = if_larger_than(3, error)
    lane.submit(slice_of(claim, 0, 16))
    await write_all(lane)

    assert writer.attempts[:3] == [[(0, 0, 16)], [(0, 0, 8)], [(0, 0, 4)]]
    assert writer.stored[0] == [(0, 0, 2)]
    assert (claim.state, claim.next_offset) == (ClaimState.READY, 16)
    assert delays[:3] == [0, 1, 2]
    assert rejections(writer) == []


async def test_after_a_limit_was_exceeded_later_batches_are_small_and_grow_slowly(
    lane: Lane, writer: FakeWriter
) -> None:
    # Given a batch that had to be halved four times,
    claim = ready(0, writer)
    writer.failure = if_larger_than(60, LIMITS[0])
    lane.submit(slice_of(claim, 0, 800))
    await write_all(lane)
    # when as many records follow,
    attempted = len(writer.attempts)
    lane._stopping = False
    lane.submit(slice_of(claim, 800, 1600))
    await write_all(lane)
    # then few attempts fail, and the batches stay close to the limit.
    later = writer.attempts[attempted:]
    failed = [batch for batch in later if batch not in writer.stored]
    assert len(failed) <= 3
    assert len(later) <= 30
    assert claim.next_offset == 1600


@pytest.mark.parametrize("error", LIMITS, ids=["a timeout of PostgreSQL", "the deadline"])
async def test_a_record_that_exceeds_a_limit_alone_halts_its_partition_and_the_reason_has_the_limit(
    lane: Lane, writer: FakeWriter, error: Callable[[], StoreError]
) -> None:
    claim, other = ready(0, writer), ready(1, writer)
    writer.failure = if_batch_has(2, error)
    lane.submit(slice_of(claim, 0, 4))
    lane.submit(slice_of(other, 0, 1))
    await write_all(lane)

    assert claim.state is ClaimState.HALTED
    assert "the record at offset 2" in claim.halt_reason
    assert "SQLSTATE 57014" in claim.halt_reason
    assert writer.position == {0: 2, 1: 1}
    assert rejections(writer) == []


async def test_a_search_for_refused_values_that_exceeds_a_limit_is_done_in_halves(
    lane: Lane, writer: FakeWriter
) -> None:
    claim = ready(0, writer)
    writer.failure = times(1, lambda: DataRefused("a message"))
    writer.query_errors = [Unavailable("canceled (SQLSTATE 57014)", limit_exceeded=True)]
    lane.submit(slice_of(claim, 0, 8))
    await write_all(lane)

    assert writer.stored[0] == [(0, 0, 4)]
    assert claim.next_offset == 8


async def test_two_exceeded_limits_of_one_record_have_another_cause(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.failure = times(2, LIMITS[0])
    lane.submit(slice_of(claim, 0, 1))
    await write_all(lane)

    assert (claim.state, claim.next_offset) == (ClaimState.READY, 1)


# --- too little memory ---


async def test_a_batch_that_does_not_fit_into_memory_is_halved_and_a_record_that_does_not_fit_halts(
    lane: Lane, writer: FakeWriter
) -> None:
    # Given a record that does not fit into memory, among others and next to another partition,
    writer.failure = if_batch_has(5, OutOfMemory)
    first, second = ready(0, writer), ready(1, writer)
    lane.submit(slice_of(first, 0, 8))
    lane.submit(slice_of(second, 0, 8))
    # when the lane writes them,
    await write_all(lane)
    # then all records before it and the other partition are stored, and its partition halts with its offset.
    assert writer.position == {0: 5, 1: 8}
    assert first.state is ClaimState.HALTED
    assert first.halt_reason == "this process has too little memory to write the record at offset 5"
    assert writer.attempts.count([(0, 5, 6)]) == 3


async def test_a_batch_that_does_not_fit_once_is_stored_later(lane: Lane, writer: FakeWriter) -> None:
    writer.failure = times(4, OutOfMemory)
    claim = ready(0, writer)
    lane.submit(slice_of(claim, 0, 8))
    await write_all(lane)

    assert writer.position == {0: 8}
    assert claim.state is ClaimState.READY
