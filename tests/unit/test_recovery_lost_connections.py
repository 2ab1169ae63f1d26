"""Recovery from a failed transaction: the connection is lost."""

import pytest

from consumer.errors import ConnectionLost
from consumer.lanes.lanes import Lane
from consumer.model.batches import Batch, Slice
from consumer.model.claims import ClaimState
from tests.support.builders import event
from tests.support.fakes import FakeWriter, ready, slice_of, times, write_all
from tests.support.recovery import committed, if_batch_has, rejections, stored

pytestmark = pytest.mark.usefixtures("delays")


async def test_an_unanswered_commit_that_was_executed_is_a_success(lane: Lane, writer: FakeWriter) -> None:
    claims = [ready(0, writer), ready(1, writer)]
    writer.unanswered_commits = 1
    for claim in claims:
        lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert len(writer.attempts) == 1
    assert [claim.next_offset for claim in claims] == [3, 3]
    assert writer.disconnected == 1
    assert stored(lane) == 6
    assert committed(lane) == 1


async def test_a_batch_that_was_not_committed_is_retried_later(
    lane: Lane, writer: FakeWriter, delays: list[int]
) -> None:
    writer.failure = times(1, lambda: ConnectionLost("before COMMIT"))
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert writer.attempts == [[(0, 0, 3)], [(0, 0, 3)]]
    assert delays == [0]
    assert stored(lane) == 3
    assert committed(lane) == 1


@pytest.mark.parametrize("elsewhere", [5, None])
async def test_after_a_lost_connection_offsets_elsewhere_revoke_the_claim(
    lane: Lane, writer: FakeWriter, elsewhere: int | None
) -> None:
    claim = ready(0, writer)

    def lose_connection(batch: Batch) -> ConnectionLost:
        del writer.position[0]
        if elsewhere is not None:
            writer.position[0] = elsewhere
        return ConnectionLost("meanwhile another process has moved the offsets")

    writer.failure = lose_connection
    lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert claim.state is ClaimState.REVOKED
    assert len(writer.attempts) == 1
    assert committed(lane) == 0


async def test_offsets_at_the_end_of_a_batch_that_was_not_committed_revoke_the_claim(
    lane: Lane, writer: FakeWriter
) -> None:
    # Given a batch whose records another process stores while this one loses its connection before COMMIT,
    claim = ready(0, writer)

    def store_elsewhere(batch: Batch) -> ConnectionLost:
        writer.position[0] = 3
        return ConnectionLost("before COMMIT")

    writer.failure = store_elsewhere
    lane.submit(slice_of(claim, 0, 3))
    # when the lane has found the moved offsets,
    await write_all(lane)
    # then it leaves the partition to the other process, and reports nothing as stored.
    assert claim.state is ClaimState.REVOKED
    assert committed(lane) == 0


async def test_the_batch_is_retried_when_the_offsets_cannot_be_queried(
    lane: Lane, writer: FakeWriter, delays: list[int]
) -> None:
    claim = ready(0, writer)
    writer.failure = times(1, lambda: ConnectionLost("cut"))
    writer.query_errors = [ConnectionLost("still cut")]
    lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert claim.next_offset == 3
    assert delays == [0]


async def test_a_slice_is_not_split_after_two_lost_connections(lane: Lane, writer: FakeWriter) -> None:
    writer.failure = times(2, lambda: ConnectionLost("restart"))
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 3)]]


async def test_the_record_over_which_the_connection_is_lost_is_found_and_its_partition_halts(
    lane: Lane, writer: FakeWriter
) -> None:
    # Given a record over which the server crashes,
    claim = ready(0, writer)
    writer.failure = if_batch_has(2, lambda: ConnectionLost("the server crashed"))
    lane.submit(slice_of(claim, 0, 4))

    # when the lane has retried,
    await write_all(lane)

    # then the records before it are stored one by one, and the partition is halted; no record is rejected.
    assert writer.stored == [[(0, 0, 1)], [(0, 1, 2)]]
    assert writer.attempts == [[(0, 0, 4)]] * 3 + writer.stored + [[(0, 2, 3)]] * 3
    assert claim.state is ClaimState.HALTED
    assert "the record at offset 2" in claim.halt_reason
    assert rejections(writer) == []


async def test_of_two_records_the_one_over_which_the_connection_is_lost_is_found(
    lane: Lane, writer: FakeWriter
) -> None:
    claim = ready(0, writer)
    writer.failure = if_batch_has(1, lambda: ConnectionLost("the server crashed"))
    lane.submit(slice_of(claim, 0, 2))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 1)]]
    assert "the record at offset 1" in claim.halt_reason


async def test_the_halt_reason_has_the_offset_of_the_record_when_the_log_has_gaps(
    lane: Lane, writer: FakeWriter
) -> None:
    claim = ready(0, writer)
    writer.failure = if_batch_has(7, lambda: ConnectionLost("the server crashed"))
    lane.submit(Slice.of(claim, 0, 9, [event(offset=7)]))
    await write_all(lane)

    assert "the record at offset 7" in claim.halt_reason


async def test_a_record_over_which_the_connection_is_lost_does_not_stop_other_partitions(
    lane: Lane, writer: FakeWriter
) -> None:
    halted, other = ready(0, writer), ready(1, writer)
    writer.failure = if_batch_has(0, lambda: ConnectionLost("the server crashed"))
    for claim in (halted, other):
        lane.submit(slice_of(claim, 0, 2))
    lane.submit(slice_of(other, 2, 4))
    await write_all(lane)

    assert halted.state is ClaimState.HALTED
    assert other.state is ClaimState.READY
    assert writer.position == {0: 0, 1: 4}


async def test_a_slice_without_records_never_halts_its_partition(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.failure = times(7, lambda: ConnectionLost("cut"))
    lane.submit(Slice.of(claim, 0, 5, []))
    await write_all(lane)

    assert (claim.state, claim.next_offset) == (ClaimState.READY, 5)
