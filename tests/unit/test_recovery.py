"""Recovery from a failed transaction: stale offsets, errors that a retry resolves, an unavailable database."""

import pytest

from consumer.errors import (
    Blocked,
    ConnectionLost,
    DataRefused,
    NewConnection,
    OperatorNeeded,
    RepeatedIds,
    StaleOffsets,
    StoreError,
    Unavailable,
)
from consumer.lanes.lanes import Lane
from consumer.model.claims import ClaimState
from tests.support.fakes import Bounds, FakeWriter, ready, slice_of, times, write_all
from tests.support.recovery import if_batch_has, rejections

pytestmark = pytest.mark.usefixtures("delays")


# --- stale offsets ---


async def test_a_claim_with_stale_offsets_is_revoked(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.position[0] = 7
    lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert claim.state is ClaimState.REVOKED
    assert len(writer.attempts) == 1
    assert writer.stored == []


async def test_of_several_claims_only_the_one_with_stale_offsets_is_revoked(lane: Lane, writer: FakeWriter) -> None:
    claims = [ready(number, writer) for number in range(3)]
    writer.position[1] = 7
    for claim in claims:
        lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert [claim.state for claim in claims] == [ClaimState.READY, ClaimState.REVOKED, ClaimState.READY]
    assert writer.attempts[0] == [(0, 0, 3), (1, 0, 3), (2, 0, 3)]
    assert sorted(writer.stored) == [[(0, 0, 3)], [(2, 0, 3)]]


async def test_the_slices_of_a_revoked_claim_are_not_written(lane: Lane, writer: FakeWriter) -> None:
    revoked, kept = ready(0, writer), ready(1, writer)
    lane.submit(slice_of(revoked, 0, 3))
    lane.submit(slice_of(kept, 0, 3))
    revoked.revoke()
    await write_all(lane)

    assert writer.attempts == [[(1, 0, 3)]]


# --- errors that an immediate retry resolves ---


async def test_a_batch_with_repeated_ids_is_retried_at_once_and_as_a_whole(
    lane: Lane, writer: FakeWriter, delays: list[int]
) -> None:
    writer.failure = times(1, lambda: RepeatedIds("a"))
    for claim in (ready(0, writer), ready(1, writer)):
        lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    together: list[Bounds] = [(0, 0, 3), (1, 0, 3)]
    assert writer.attempts == [together, together]
    assert writer.disconnected == 0
    assert delays == []


async def test_ids_are_looked_up_until_a_batch_has_no_repeats(lane: Lane, writer: FakeWriter) -> None:
    # Given a batch with a repeated id, one more with repeats, and then batches without repeats,
    claim = ready(0, writer)
    writer.failure = times(1, lambda: RepeatedIds("a"))
    writer.repeats = [3, 1, 0, 0]
    for start in range(0, 12, 3):
        lane._stopping = False
        lane.submit(slice_of(claim, start, start + 3))
        await write_all(lane)

    # then ids are looked up from the first retry on, up to and including the first batch without repeats.
    assert writer.checked == [False, True, True, True, False]


async def test_the_ids_of_other_partitions_are_not_looked_up(lane: Lane, writer: FakeWriter) -> None:
    writer.failure = times(1, lambda: RepeatedIds("a"))
    writer.repeats = [1]
    for claim in (ready(0, writer), ready(1, writer)):
        lane._stopping = False
        lane.submit(slice_of(claim, 0, 3))
        await write_all(lane)

    assert writer.checked == [False, True, False]


async def test_an_error_of_the_connection_is_retried_on_a_new_one(
    lane: Lane, writer: FakeWriter, delays: list[int]
) -> None:
    writer.failure = times(1, lambda: NewConnection("cached plan"))
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert writer.disconnected == 1
    assert delays == []


@pytest.mark.parametrize("error", [RepeatedIds, NewConnection])
async def test_immediate_retries_that_do_not_help_halt_the_partition_at_the_record(
    lane: Lane, writer: FakeWriter, error: type[StoreError]
) -> None:
    claim = ready(4, writer)
    writer.failure = if_batch_has(1, lambda: error("again"), partition=4)
    lane.submit(slice_of(claim, 0, 4))
    await write_all(lane)

    assert writer.attempts == [[(4, 0, 4)]] * 6 + [[(4, 0, 2)], [(4, 0, 1)]] + [[(4, 1, 2)]] * 6
    assert claim.next_offset == 1
    assert claim.state is ClaimState.HALTED
    assert "the record at offset 1: again" in claim.halt_reason


async def test_immediate_retries_that_do_not_help_halt_only_the_partition_that_fails_alone(
    lane: Lane, writer: FakeWriter
) -> None:
    failing, other = ready(0, writer), ready(1, writer)
    writer.failure = if_batch_has(0, lambda: RepeatedIds("again"))
    for claim in (failing, other):
        lane.submit(slice_of(claim, 0, 1))
    await write_all(lane)

    assert [claim.state for claim in (failing, other)] == [ClaimState.HALTED, ClaimState.READY]
    assert writer.position == {0: 0, 1: 1}


@pytest.mark.parametrize("error", [RepeatedIds, NewConnection])
async def test_failures_that_need_waiting_do_not_count_as_immediate_retries(
    lane: Lane, writer: FakeWriter, error: type[StoreError]
) -> None:
    # Given a database that is read-only for a while, then an error that one retry resolves,
    errors: list[StoreError] = [*(Unavailable("read-only") for _ in range(20)), error("a")]
    writer.failure = lambda batch: errors.pop(0) if errors else None
    lane.submit(slice_of(ready(0, writer), 0, 3))

    # when the lane continues, then it stores the batch.
    await write_all(lane)
    assert writer.stored == [[(0, 0, 3)]]


async def test_immediate_retries_are_counted_for_each_batch(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    for start in range(3):
        writer.failure = times(5, lambda: RepeatedIds("a"))
        lane.submit(slice_of(claim, start, start + 1))
        lane._stopping = False
        await write_all(lane)

    assert writer.position[0] == 3


async def test_an_error_without_a_recovery_ends_the_lane(lane: Lane, writer: FakeWriter) -> None:
    writer.failure = lambda batch: OperatorNeeded("undefined_table")
    lane.submit(slice_of(ready(0, writer), 0, 3))

    with pytest.raises(OperatorNeeded, match="undefined_table"):
        await write_all(lane)
    assert len(writer.attempts) == 1


# --- PostgreSQL is unavailable ---


async def test_an_unavailable_database_is_retried_without_end_on_new_connections(
    lane: Lane, writer: FakeWriter, delays: list[int]
) -> None:
    claim = ready(0, writer)
    writer.failure = times(40, lambda: Unavailable("disk full"))
    lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert delays == list(range(40))
    assert writer.disconnected == 40
    assert rejections(writer) == []
    assert claim.state is ClaimState.READY


async def test_a_stalled_owner_is_terminated_and_the_batch_retried_at_once(
    lane: Lane, writer: FakeWriter, delays: list[int]
) -> None:
    writer.failure = times(1, lambda: Blocked("lock"))
    writer.stalled = [4711]
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert writer.stalled == []
    assert delays == []


@pytest.mark.parametrize("query_errors", [[], [ConnectionLost("cut")]], ids=["the owner is busy", "the query fails"])
async def test_a_blocked_batch_is_retried_later_when_no_owner_is_stalled(
    lane: Lane, writer: FakeWriter, delays: list[int], query_errors: list[StoreError]
) -> None:
    writer.failure = times(1, lambda: Blocked("lock"))
    writer.query_errors = query_errors
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert delays == [0]


@pytest.mark.parametrize("error", [StaleOffsets, DataRefused, ConnectionLost, Blocked, NewConnection, Unavailable])
async def test_after_a_failure_partitions_are_written_alone_until_each_has_succeeded(
    lane: Lane, writer: FakeWriter, error: type[StoreError]
) -> None:
    claims = [ready(number, writer) for number in range(3)]
    writer.failure = times(1, lambda: error("once"))
    for claim in claims:
        lane.submit(slice_of(claim, 0, 1))
    await write_all(lane)
    assert sorted(writer.stored) == [[(0, 0, 1)], [(1, 0, 1)], [(2, 0, 1)]]

    lane._stopping = False
    for claim in claims:
        lane.submit(slice_of(claim, 1, 2))
    await write_all(lane)
    assert sorted(writer.stored[-1]) == [(0, 1, 2), (1, 1, 2), (2, 1, 2)]


@pytest.mark.parametrize("error", [StaleOffsets, RepeatedIds, DataRefused, ConnectionLost, Blocked, Unavailable])
async def test_failures_are_counted_by_error_class(lane: Lane, writer: FakeWriter, error: type[StoreError]) -> None:
    writer.failure = times(1, lambda: error("once"))
    lane.submit(slice_of(ready(0, writer), 0, 1))
    await write_all(lane)

    labels = {"error": error.__name__}
    assert lane._observer.registry.get_sample_value("agent_runs_batch_failures_total", labels) == 1
