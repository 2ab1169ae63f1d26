"""Recovery from a failed transaction: one action for each kind of error."""

from collections.abc import Callable

import pytest

from agent_runs.codec.records import Reason
from consumer.errors import (
    Blocked,
    ConnectionLost,
    ConsumerError,
    DataRefused,
    NewConnection,
    OperatorNeeded,
    OutOfMemory,
    RepeatedIds,
    StaleOffsets,
    StoreError,
    Unavailable,
)
from consumer.lanes import queue as queues
from consumer.lanes.lanes import Lane
from consumer.model.batches import Batch, Slice
from consumer.model.claims import ClaimState
from consumer.model.records import Event, Rejection
from consumer.settings import IngestConfig
from consumer.telemetry.observer import Observer
from tests.support.builders import event, rejection
from tests.support.fakes import Bounds, Failure, FakeWriter, ready, slice_of, times, write_all


@pytest.fixture(autouse=True)
def delays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The consecutive failures before each delay; no delay takes time."""
    requested: list[int] = []

    def retry_delay_s(failures: int) -> float:
        requested.append(failures)
        return 0.0

    monkeypatch.setattr(queues, "retry_delay_s", retry_delay_s)
    return requested


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
def lane(writer: FakeWriter) -> Lane:
    return Lane(writer, IngestConfig(), Observer(60.0))


def if_batch_has(offset: int, error: Callable[[], ConsumerError], partition: int = 0) -> Failure:
    """Fail every batch that holds this event."""

    def failure(batch: Batch) -> ConsumerError | None:
        found = any(event.coordinates == (partition, offset) for slice_ in batch for event in slice_.events)
        return error() if found else None

    return failure


def stored(lane: Lane) -> float | None:
    return lane._observer.registry.get_sample_value("agent_runs_events_stored_total")


def committed(lane: Lane) -> float | None:
    """The number of transactions that were reported to the observer."""
    return lane._observer.registry.get_sample_value("agent_runs_batch_records_count")


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

    # when the lane goes on, then it stores the batch.
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


# --- data that PostgreSQL refuses ---


def rejections(writer: FakeWriter) -> list[tuple[int, Reason, str]]:
    return [
        (rejection.record.offset, rejection.reason, rejection.detail)
        for batch in writer.batches
        for slice_ in batch
        for rejection in slice_.rejections
    ]


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


# --- a connection that is lost ---


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


# --- a limit of time or memory ---

LIMITS = [
    lambda: Unavailable("canceled (SQLSTATE 57014)", limit_exceeded=True),
    lambda: ConnectionLost("no answer (SQLSTATE 57014)", limit_exceeded=True),
]


def if_larger_than(records: int, error: Callable[[], ConsumerError]) -> Failure:
    """Fail every batch with more records."""
    return lambda batch: error() if sum(slice_.records for slice_ in batch) > records else None


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
