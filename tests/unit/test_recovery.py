"""What a lane does about a transaction that failed: one remedy for each kind of error."""

from collections.abc import Callable

import pytest

from consumer.config import IngestConfig
from consumer.errors import (
    Blocked,
    ConnectionLost,
    ConsumerError,
    DataRefused,
    NewConnection,
    OperatorNeeded,
    RepeatedIds,
    StaleOffsets,
    StoreError,
    Unavailable,
)
from consumer.lanes import queue as queues
from consumer.lanes.lanes import Lane
from consumer.model.batches import Batch, Slice
from consumer.model.claims import ClaimState
from consumer.model.records import Event, Reason
from consumer.telemetry.observer import Observer
from tests.support.builders import event, rejection
from tests.support.fakes import Bounds, Failure, FakeWriter, ready, slice_of, times, write_all


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many failures in a row each wait was for; none of them takes any time."""
    waited: list[int] = []

    def retry_delay_s(failures: int) -> float:
        waited.append(failures)
        return 0.0

    monkeypatch.setattr(queues, "retry_delay_s", retry_delay_s)
    return waited


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
def lane(writer: FakeWriter) -> Lane:
    return Lane(writer, IngestConfig(), Observer(60.0))


def holding(offset: int, error: Callable[[], ConsumerError], partition: int = 0) -> Failure:
    """Fail every batch that holds this event."""

    def failure(batch: Batch) -> ConsumerError | None:
        found = any(event.coordinates == (partition, offset) for slice_ in batch for event in slice_.events)
        return error() if found else None

    return failure


def stored(lane: Lane) -> float | None:
    return lane._observer.registry.get_sample_value("agent_runs_events_stored_total")


def committed(lane: Lane) -> float | None:
    """How many transactions the observer has heard of."""
    return lane._observer.registry.get_sample_value("agent_runs_batch_records_count")


# --- somebody else has moved on ---


async def test_a_stale_partition_is_given_up(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.position[0] = 7
    lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert claim.state is ClaimState.REVOKED
    assert len(writer.attempts) == 1
    assert writer.stored == []


async def test_of_several_partitions_only_the_stale_one_is_given_up(lane: Lane, writer: FakeWriter) -> None:
    claims = [ready(number, writer) for number in range(3)]
    writer.position[1] = 7
    for claim in claims:
        lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert [claim.state for claim in claims] == [ClaimState.READY, ClaimState.REVOKED, ClaimState.READY]
    assert writer.attempts[0] == [(0, 0, 3), (1, 0, 3), (2, 0, 3)]
    assert sorted(writer.stored) == [[(0, 0, 3)], [(2, 0, 3)]]


async def test_what_is_queued_for_a_lost_claim_is_not_written(lane: Lane, writer: FakeWriter) -> None:
    lost, kept = ready(0, writer), ready(1, writer)
    lane.submit(slice_of(lost, 0, 3))
    lane.submit(slice_of(kept, 0, 3))
    lost.revoke()
    await write_all(lane)

    assert writer.attempts == [[(1, 0, 3)]]


# --- what should help at once ---


async def test_repeated_ids_are_tried_again_at_once_and_together(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    writer.failure = times(1, lambda: RepeatedIds("a"))
    for claim in (ready(0, writer), ready(1, writer)):
        lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    together: list[Bounds] = [(0, 0, 3), (1, 0, 3)]
    assert writer.attempts == [together, together]
    assert writer.disconnected == 0
    assert waits == []


async def test_ids_are_looked_up_first_for_as_long_as_repeats_come(lane: Lane, writer: FakeWriter) -> None:
    # Given a batch with a repeated id, one more with repeats, and then none,
    claim = ready(0, writer)
    writer.failure = times(1, lambda: RepeatedIds("a"))
    writer.repeats = [3, 1, 0, 0]
    for begins in range(0, 12, 3):
        lane._stopping = False
        lane.submit(slice_of(claim, begins, begins + 3))
        await write_all(lane)

    # then only the first is copied without asking, until a batch was without a repeat.
    assert writer.checked == [False, True, True, True, False]


async def test_the_ids_of_other_partitions_are_not_looked_up(lane: Lane, writer: FakeWriter) -> None:
    writer.failure = times(1, lambda: RepeatedIds("a"))
    writer.repeats = [1]
    for claim in (ready(0, writer), ready(1, writer)):
        lane._stopping = False
        lane.submit(slice_of(claim, 0, 3))
        await write_all(lane)

    assert writer.checked == [False, True, False]


async def test_what_a_connection_is_to_blame_for_is_tried_again_on_a_new_one(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    writer.failure = times(1, lambda: NewConnection("cached plan"))
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert writer.disconnected == 1
    assert waits == []


@pytest.mark.parametrize("error", [RepeatedIds, NewConnection])
async def test_what_should_have_helped_and_does_not_needs_an_operator(
    lane: Lane, writer: FakeWriter, error: type[StoreError]
) -> None:
    claim = ready(4, writer)
    writer.failure = lambda batch: error("again")
    lane.submit(slice_of(claim, 0, 3))

    with pytest.raises(OperatorNeeded, match="partition 4: again") as caught:
        await write_all(lane)
    assert type(caught.value.__cause__) is error
    assert len(writer.attempts) == 6
    assert claim.next_offset == 0


@pytest.mark.parametrize("error", [RepeatedIds, NewConnection])
async def test_a_long_trouble_of_the_world_is_not_held_against_what_helps_at_once(
    lane: Lane, writer: FakeWriter, error: type[StoreError]
) -> None:
    # Given a database that is read-only for a while, and an error that one more try would mend,
    troubles: list[StoreError] = [*(Unavailable("read-only") for _ in range(20)), error("a")]
    writer.failure = lambda batch: troubles.pop(0) if troubles else None
    lane.submit(slice_of(ready(0, writer), 0, 3))

    # when the lane goes on, then it stores the batch.
    await write_all(lane)
    assert writer.stored == [[(0, 0, 3)]]


async def test_tries_are_counted_anew_for_each_batch(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    for begins in range(3):
        writer.failure = times(5, lambda: RepeatedIds("a"))
        lane.submit(slice_of(claim, begins, begins + 1))
        lane._stopping = False
        await write_all(lane)

    assert writer.position[0] == 3


async def test_what_nobody_has_a_remedy_for_ends_the_lane(lane: Lane, writer: FakeWriter) -> None:
    writer.failure = lambda batch: OperatorNeeded("undefined_table")
    lane.submit(slice_of(ready(0, writer), 0, 3))

    with pytest.raises(OperatorNeeded, match="undefined_table"):
        await write_all(lane)
    assert len(writer.attempts) == 1


# --- data that PostgreSQL refuses ---


def letters(writer: FakeWriter) -> list[tuple[int, Reason, str]]:
    return [
        (letter.record.offset, letter.reason, letter.detail)
        for batch in writer.batches
        for slice_ in batch
        for letter in slice_.rejections
    ]


def events(writer: FakeWriter) -> list[Event]:
    return [event for batch in writer.batches for slice_ in batch for event in slice_.events]


async def test_what_jsonb_cannot_hold_is_made_storable_and_kept_as_it_came(lane: Lane, writer: FakeWriter) -> None:
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
    assert letters(writer) == []


async def test_a_message_that_postgresql_names_is_set_aside_with_what_it_says(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.failure = holding(1, lambda: DataRefused("22003"))
    writer.refused = lambda values: {1: "value overflows numeric format"}
    lane.submit(slice_of(claim, 0, 4))
    await write_all(lane)

    assert letters(writer) == [(1, Reason.STORE_REJECTED, "value overflows numeric format")]
    assert [event.record.offset for event in events(writer)] == [0, 2, 3]
    assert writer.stored == [[(0, 0, 4)]]


async def test_a_message_that_nobody_names_is_found_by_halving(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.failure = holding(5, lambda: DataRefused("23514 for no visible reason"))
    lane.submit(slice_of(claim, 0, 8))
    await write_all(lane)

    assert letters(writer) == [(5, Reason.STORE_REJECTED, "23514 for no visible reason")]
    assert [event.record.offset for event in events(writer)] == [0, 1, 2, 3, 4, 6, 7]
    assert claim.next_offset == writer.position[0] == 8
    assert claim.state is ClaimState.READY


async def test_two_messages_that_nobody_names_are_both_found(lane: Lane, writer: FakeWriter) -> None:
    first, second = holding(0, lambda: DataRefused("one")), holding(6, lambda: DataRefused("two"))
    writer.failure = lambda batch: first(batch) or second(batch)
    lane.submit(slice_of(ready(0, writer), 0, 7))
    await write_all(lane)

    assert letters(writer) == [(0, Reason.STORE_REJECTED, "one"), (6, Reason.STORE_REJECTED, "two")]
    assert len(events(writer)) == 5


async def test_a_refusal_of_several_partitions_is_looked_into_one_by_one(lane: Lane, writer: FakeWriter) -> None:
    writer.failure = holding(1, lambda: DataRefused("no"), partition=1)
    for number in range(3):
        lane.submit(slice_of(ready(number, writer), 0, 2))
    await write_all(lane)

    assert writer.attempts[:2] == [[(0, 0, 2), (1, 0, 2), (2, 0, 2)], [(0, 0, 2)]]
    assert letters(writer) == [(1, Reason.STORE_REJECTED, "no")]
    assert writer.position == {0: 2, 1: 2, 2: 2}


async def test_a_refusal_of_letters_alone_needs_an_operator(lane: Lane, writer: FakeWriter) -> None:
    writer.failure = lambda batch: DataRefused("what we wrote about it")
    lane.submit(Slice.of(ready(2, writer), 0, 1, [rejection(partition=2)]))

    with pytest.raises(OperatorNeeded, match="partition 2: what we wrote about it"):
        await write_all(lane)


async def test_when_nobody_can_be_asked_what_was_refused_the_batch_waits(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    writer.failure = holding(1, lambda: DataRefused("no"))
    writer.query_errors = [ConnectionLost("while asking")]
    writer.refused = lambda values: {1: "this one"}
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert letters(writer) == [(1, Reason.STORE_REJECTED, "this one")]
    assert waits == [0]


# --- a connection that is lost ---


async def test_a_commit_that_was_not_answered_but_happened_is_a_success(lane: Lane, writer: FakeWriter) -> None:
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


async def test_a_commit_that_did_not_happen_is_tried_again_later(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    writer.failure = times(1, lambda: ConnectionLost("before COMMIT"))
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert writer.attempts == [[(0, 0, 3)], [(0, 0, 3)]]
    assert waits == [0]
    assert stored(lane) == 3
    assert committed(lane) == 1


@pytest.mark.parametrize("elsewhere", [5, None])
async def test_offsets_that_are_neither_here_nor_there_give_the_partition_up(
    lane: Lane, writer: FakeWriter, elsewhere: int | None
) -> None:
    claim = ready(0, writer)

    def lose(batch: Batch) -> ConnectionLost:
        del writer.position[0]
        if elsewhere is not None:
            writer.position[0] = elsewhere
        return ConnectionLost("meanwhile somebody else has moved on")

    writer.failure = lose
    lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert claim.state is ClaimState.REVOKED
    assert len(writer.attempts) == 1
    assert committed(lane) == 0


async def test_when_nobody_can_be_asked_what_happened_it_is_tried_again(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    claim = ready(0, writer)
    writer.failure = times(1, lambda: ConnectionLost("cut"))
    writer.query_errors = [ConnectionLost("still cut")]
    lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert claim.next_offset == 3
    assert waits == [0]


async def test_two_lost_connections_may_be_restarts(lane: Lane, writer: FakeWriter) -> None:
    writer.failure = times(2, lambda: ConnectionLost("restart"))
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 3)]]


async def test_a_record_that_kills_the_connection_is_narrowed_down_halted_and_named(
    lane: Lane, writer: FakeWriter
) -> None:
    # Given a record that nobody survives,
    claim = ready(0, writer)
    writer.failure = holding(2, lambda: ConnectionLost("the server crashed"))
    lane.submit(slice_of(claim, 0, 4))

    # when the lane has had its tries,
    await write_all(lane)

    # then those before it are stored one by one, and its partition waits for a person; no letter is written.
    assert writer.stored == [[(0, 0, 1)], [(0, 1, 2)]]
    assert writer.attempts == [[(0, 0, 4)]] * 3 + writer.stored + [[(0, 2, 3)]] * 3
    assert claim.state is ClaimState.HALTED
    assert "the record at offset 2" in claim.halt_reason
    assert letters(writer) == []


async def test_of_two_records_the_one_that_kills_the_connection_is_found(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.failure = holding(1, lambda: ConnectionLost("the server crashed"))
    lane.submit(slice_of(claim, 0, 2))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 1)]]
    assert "the record at offset 1" in claim.halt_reason


async def test_the_record_that_is_named_is_the_one_there_is_behind_a_gap_of_the_log(
    lane: Lane, writer: FakeWriter
) -> None:
    claim = ready(0, writer)
    writer.failure = holding(7, lambda: ConnectionLost("the server crashed"))
    lane.submit(Slice.of(claim, 0, 9, [event(offset=7)]))
    await write_all(lane)

    assert "the record at offset 7" in claim.halt_reason


async def test_a_record_that_kills_the_connection_does_not_stop_the_other_partitions(
    lane: Lane, writer: FakeWriter
) -> None:
    poisoned, other = ready(0, writer), ready(1, writer)
    writer.failure = holding(0, lambda: ConnectionLost("the server crashed"))
    for claim in (poisoned, other):
        lane.submit(slice_of(claim, 0, 2))
    lane.submit(slice_of(other, 2, 4))
    await write_all(lane)

    assert poisoned.state is ClaimState.HALTED
    assert other.state is ClaimState.READY
    assert writer.position == {0: 0, 1: 4}


async def test_a_stretch_without_records_is_never_to_blame(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.failure = times(7, lambda: ConnectionLost("cut"))
    lane.submit(Slice.of(claim, 0, 5, []))
    await write_all(lane)

    assert (claim.state, claim.next_offset) == (ClaimState.READY, 5)


# --- the world ---


async def test_the_world_is_waited_for_as_long_as_it_takes_on_a_new_connection(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    claim = ready(0, writer)
    writer.failure = times(40, lambda: Unavailable("disk full"))
    lane.submit(slice_of(claim, 0, 3))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert waits == list(range(40))
    assert writer.disconnected == 40
    assert letters(writer) == []
    assert claim.state is ClaimState.READY


async def test_a_stalled_owner_is_ended_and_the_batch_tried_again_at_once(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    writer.failure = times(1, lambda: Blocked("lock"))
    writer.stalled = [4711]
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert writer.stalled == []
    assert waits == []


@pytest.mark.parametrize("asking", [[], [ConnectionLost("cut")]], ids=["a busy one", "nobody answers"])
async def test_an_owner_that_is_not_stalled_is_waited_for(
    lane: Lane, writer: FakeWriter, waits: list[int], asking: list[StoreError]
) -> None:
    writer.failure = times(1, lambda: Blocked("lock"))
    writer.query_errors = asking
    lane.submit(slice_of(ready(0, writer), 0, 3))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert waits == [0]


@pytest.mark.parametrize("error", [StaleOffsets, DataRefused, ConnectionLost, Blocked, NewConnection, Unavailable])
async def test_after_a_failure_partitions_go_alone_until_each_has_succeeded(
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
async def test_every_failure_is_counted_by_its_kind(lane: Lane, writer: FakeWriter, error: type[StoreError]) -> None:
    writer.failure = times(1, lambda: error("once"))
    lane.submit(slice_of(ready(0, writer), 0, 1))
    await write_all(lane)

    labels = {"error": error.__name__}
    assert lane._observer.registry.get_sample_value("agent_runs_batch_failures_total", labels) == 1
