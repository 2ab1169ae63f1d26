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
from tests.support.builders import event, letter
from tests.support.fakes import Bounds, FakeWriter, Trouble, piece, ready, settle, times


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


def holding(offset: int, error: Callable[[], ConsumerError], partition: int = 0) -> Trouble:
    """Trouble for every batch that holds this event."""
    return lambda batch: (
        error() if any(event.coordinates == (partition, offset) for piece in batch for event in piece.events) else None
    )


def stored(lane: Lane) -> float | None:
    return lane.observer.registry.get_sample_value("agent_runs_events_stored_total")


def committed(lane: Lane) -> float | None:
    """How many transactions the observer has heard of."""
    return lane.observer.registry.get_sample_value("agent_runs_batch_records_count")


# --- somebody else has moved on ---


async def test_a_stale_partition_is_given_up(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.position[0] = 7
    lane.submit(piece(claim, 0, 3))
    await settle(lane)

    assert claim.state is ClaimState.LOST
    assert len(writer.tried) == 1
    assert writer.stored == []


async def test_of_several_partitions_only_the_stale_one_is_given_up(lane: Lane, writer: FakeWriter) -> None:
    claims = [ready(number, writer) for number in range(3)]
    writer.position[1] = 7
    for claim in claims:
        lane.submit(piece(claim, 0, 3))
    await settle(lane)

    assert [claim.state for claim in claims] == [ClaimState.READY, ClaimState.LOST, ClaimState.READY]
    assert writer.tried[0] == [(0, 0, 3), (1, 0, 3), (2, 0, 3)]
    assert sorted(writer.stored) == [[(0, 0, 3)], [(2, 0, 3)]]


async def test_what_is_queued_for_a_lost_claim_is_not_written(lane: Lane, writer: FakeWriter) -> None:
    lost, kept = ready(0, writer), ready(1, writer)
    lane.submit(piece(lost, 0, 3))
    lane.submit(piece(kept, 0, 3))
    lost.lose()
    await settle(lane)

    assert writer.tried == [[(1, 0, 3)]]


# --- what should help at once ---


async def test_repeated_ids_are_tried_again_at_once_and_together(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    writer.trouble = times(1, lambda: RepeatedIds("a"))
    for claim in (ready(0, writer), ready(1, writer)):
        lane.submit(piece(claim, 0, 3))
    await settle(lane)

    together: list[Bounds] = [(0, 0, 3), (1, 0, 3)]
    assert writer.tried == [together, together]
    assert writer.disconnected == 0
    assert waits == []


async def test_ids_are_looked_up_first_for_as_long_as_repeats_come(lane: Lane, writer: FakeWriter) -> None:
    # Given a batch with a repeated id, one more with repeats, and then none,
    claim = ready(0, writer)
    writer.trouble = times(1, lambda: RepeatedIds("a"))
    writer.repeats = [3, 1, 0, 0]
    for begins in range(0, 12, 3):
        lane._stopping = False
        lane.submit(piece(claim, begins, begins + 3))
        await settle(lane)

    # then only the first is copied without asking, until a batch was without a repeat.
    assert writer.looked == [False, True, True, True, False]


async def test_the_ids_of_other_partitions_are_not_looked_up(lane: Lane, writer: FakeWriter) -> None:
    writer.trouble = times(1, lambda: RepeatedIds("a"))
    writer.repeats = [1]
    for claim in (ready(0, writer), ready(1, writer)):
        lane._stopping = False
        lane.submit(piece(claim, 0, 3))
        await settle(lane)

    assert writer.looked == [False, True, False]


async def test_what_a_connection_is_to_blame_for_is_tried_again_on_a_new_one(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    writer.trouble = times(1, lambda: NewConnection("cached plan"))
    lane.submit(piece(ready(0, writer), 0, 3))
    await settle(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert writer.disconnected == 1
    assert waits == []


@pytest.mark.parametrize("error", [RepeatedIds, NewConnection])
async def test_what_should_have_helped_and_does_not_needs_an_operator(
    lane: Lane, writer: FakeWriter, error: type[StoreError]
) -> None:
    claim = ready(4, writer)
    writer.trouble = lambda batch: error("again")
    lane.submit(piece(claim, 0, 3))

    with pytest.raises(OperatorNeeded, match="partition 4: again") as caught:
        await settle(lane)
    assert type(caught.value.__cause__) is error
    assert len(writer.tried) == 6
    assert claim.next_offset == 0


@pytest.mark.parametrize("error", [RepeatedIds, NewConnection])
async def test_a_long_trouble_of_the_world_is_not_held_against_what_helps_at_once(
    lane: Lane, writer: FakeWriter, error: type[StoreError]
) -> None:
    # Given a database that is read-only for a while, and an error that one more try would mend,
    troubles: list[StoreError] = [*(Unavailable("read-only") for _ in range(20)), error("a")]
    writer.trouble = lambda batch: troubles.pop(0) if troubles else None
    lane.submit(piece(ready(0, writer), 0, 3))

    # when the lane goes on, then it stores the batch.
    await settle(lane)
    assert writer.stored == [[(0, 0, 3)]]


async def test_tries_are_counted_anew_for_each_batch(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    for begins in range(3):
        writer.trouble = times(5, lambda: RepeatedIds("a"))
        lane.submit(piece(claim, begins, begins + 1))
        lane._stopping = False
        await settle(lane)

    assert writer.position[0] == 3


async def test_what_nobody_has_a_remedy_for_ends_the_lane(lane: Lane, writer: FakeWriter) -> None:
    writer.trouble = lambda batch: OperatorNeeded("undefined_table")
    lane.submit(piece(ready(0, writer), 0, 3))

    with pytest.raises(OperatorNeeded, match="undefined_table"):
        await settle(lane)
    assert len(writer.tried) == 1


# --- data that PostgreSQL refuses ---


def letters(writer: FakeWriter) -> list[tuple[int, Reason, str]]:
    return [
        (letter.record.offset, letter.reason, letter.detail)
        for batch in writer.batches
        for piece in batch
        for letter in piece.letters
    ]


def events(writer: FakeWriter) -> list[Event]:
    return [event for batch in writer.batches for piece in batch for event in piece.events]


async def test_what_jsonb_cannot_hold_is_made_storable_and_kept_as_it_came(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    plain, nul = event(offset=0), event(offset=1, data="a\0")
    original = nul.value
    writer.trouble = lambda batch: (
        DataRefused("22P05") if any(b"u0000" in event.value for piece in batch for event in piece.events) else None
    )
    lane.submit(Slice.of(claim, 0, 2, [plain, nul]))
    await settle(lane)

    assert [(event.raw, event.value) for event in events(writer)] == [
        (None, plain.value),
        (original, original.replace(rb"\u0000", rb"\ufffd")),
    ]
    assert len(writer.tried) == 2
    assert letters(writer) == []


async def test_a_message_that_postgresql_names_is_set_aside_with_what_it_says(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.trouble = holding(1, lambda: DataRefused("22003"))
    writer.refused = lambda values: {1: "value overflows numeric format"}
    lane.submit(piece(claim, 0, 4))
    await settle(lane)

    assert letters(writer) == [(1, Reason.STORE_REJECTED, "value overflows numeric format")]
    assert [event.record.offset for event in events(writer)] == [0, 2, 3]
    assert writer.stored == [[(0, 0, 4)]]


async def test_a_message_that_nobody_names_is_found_by_halving(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.trouble = holding(5, lambda: DataRefused("23514 for no visible reason"))
    lane.submit(piece(claim, 0, 8))
    await settle(lane)

    assert letters(writer) == [(5, Reason.STORE_REJECTED, "23514 for no visible reason")]
    assert [event.record.offset for event in events(writer)] == [0, 1, 2, 3, 4, 6, 7]
    assert claim.next_offset == writer.position[0] == 8
    assert claim.state is ClaimState.READY


async def test_two_messages_that_nobody_names_are_both_found(lane: Lane, writer: FakeWriter) -> None:
    first, second = holding(0, lambda: DataRefused("one")), holding(6, lambda: DataRefused("two"))
    writer.trouble = lambda batch: first(batch) or second(batch)
    lane.submit(piece(ready(0, writer), 0, 7))
    await settle(lane)

    assert letters(writer) == [(0, Reason.STORE_REJECTED, "one"), (6, Reason.STORE_REJECTED, "two")]
    assert len(events(writer)) == 5


async def test_a_refusal_of_several_partitions_is_looked_into_one_by_one(lane: Lane, writer: FakeWriter) -> None:
    writer.trouble = holding(1, lambda: DataRefused("no"), partition=1)
    for number in range(3):
        lane.submit(piece(ready(number, writer), 0, 2))
    await settle(lane)

    assert writer.tried[:2] == [[(0, 0, 2), (1, 0, 2), (2, 0, 2)], [(0, 0, 2)]]
    assert letters(writer) == [(1, Reason.STORE_REJECTED, "no")]
    assert writer.position == {0: 2, 1: 2, 2: 2}


async def test_a_refusal_of_letters_alone_needs_an_operator(lane: Lane, writer: FakeWriter) -> None:
    writer.trouble = lambda batch: DataRefused("what we wrote about it")
    lane.submit(Slice.of(ready(2, writer), 0, 1, [letter(partition=2)]))

    with pytest.raises(OperatorNeeded, match="partition 2: what we wrote about it"):
        await settle(lane)


async def test_when_nobody_can_be_asked_what_was_refused_the_batch_waits(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    writer.trouble = holding(1, lambda: DataRefused("no"))
    writer.asking = [ConnectionLost("while asking")]
    writer.refused = lambda values: {1: "this one"}
    lane.submit(piece(ready(0, writer), 0, 3))
    await settle(lane)

    assert letters(writer) == [(1, Reason.STORE_REJECTED, "this one")]
    assert waits == [0]


# --- a connection that is lost ---


async def test_a_commit_that_was_not_answered_but_happened_is_a_success(lane: Lane, writer: FakeWriter) -> None:
    claims = [ready(0, writer), ready(1, writer)]
    writer.afterwards = times(1, lambda: ConnectionLost("during COMMIT"))
    for claim in claims:
        lane.submit(piece(claim, 0, 3))
    await settle(lane)

    assert len(writer.tried) == 1
    assert [claim.next_offset for claim in claims] == [3, 3]
    assert writer.disconnected == 1
    assert stored(lane) == 6
    assert committed(lane) == 1


async def test_a_commit_that_did_not_happen_is_tried_again_later(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    writer.trouble = times(1, lambda: ConnectionLost("before COMMIT"))
    lane.submit(piece(ready(0, writer), 0, 3))
    await settle(lane)

    assert writer.tried == [[(0, 0, 3)], [(0, 0, 3)]]
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

    writer.trouble = lose
    lane.submit(piece(claim, 0, 3))
    await settle(lane)

    assert claim.state is ClaimState.LOST
    assert len(writer.tried) == 1
    assert committed(lane) == 0


async def test_when_nobody_can_be_asked_what_happened_it_is_tried_again(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    claim = ready(0, writer)
    writer.trouble = times(1, lambda: ConnectionLost("cut"))
    writer.asking = [ConnectionLost("still cut")]
    lane.submit(piece(claim, 0, 3))
    await settle(lane)

    assert claim.next_offset == 3
    assert waits == [0]


async def test_two_lost_connections_may_be_restarts(lane: Lane, writer: FakeWriter) -> None:
    writer.trouble = times(2, lambda: ConnectionLost("restart"))
    lane.submit(piece(ready(0, writer), 0, 3))
    await settle(lane)

    assert writer.stored == [[(0, 0, 3)]]


async def test_a_record_that_kills_the_connection_is_narrowed_down_halted_and_named(
    lane: Lane, writer: FakeWriter
) -> None:
    # Given a record that nobody survives,
    claim = ready(0, writer)
    writer.trouble = holding(2, lambda: ConnectionLost("the server crashed"))
    lane.submit(piece(claim, 0, 4))

    # when the lane has had its tries,
    await settle(lane)

    # then those before it are stored one by one, and its partition waits for a person; no letter is written.
    assert writer.stored == [[(0, 0, 1)], [(0, 1, 2)]]
    assert writer.tried == [[(0, 0, 4)]] * 3 + writer.stored + [[(0, 2, 3)]] * 3
    assert claim.state is ClaimState.HALTED
    assert "the record at offset 2" in claim.halted_because
    assert letters(writer) == []


async def test_of_two_records_the_one_that_kills_the_connection_is_found(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.trouble = holding(1, lambda: ConnectionLost("the server crashed"))
    lane.submit(piece(claim, 0, 2))
    await settle(lane)

    assert writer.stored == [[(0, 0, 1)]]
    assert "the record at offset 1" in claim.halted_because


async def test_the_record_that_is_named_is_the_one_there_is_behind_a_gap_of_the_log(
    lane: Lane, writer: FakeWriter
) -> None:
    claim = ready(0, writer)
    writer.trouble = holding(7, lambda: ConnectionLost("the server crashed"))
    lane.submit(Slice.of(claim, 0, 9, [event(offset=7)]))
    await settle(lane)

    assert "the record at offset 7" in claim.halted_because


async def test_a_record_that_kills_the_connection_does_not_stop_the_other_partitions(
    lane: Lane, writer: FakeWriter
) -> None:
    poisoned, other = ready(0, writer), ready(1, writer)
    writer.trouble = holding(0, lambda: ConnectionLost("the server crashed"))
    for claim in (poisoned, other):
        lane.submit(piece(claim, 0, 2))
    lane.submit(piece(other, 2, 4))
    await settle(lane)

    assert poisoned.state is ClaimState.HALTED
    assert other.state is ClaimState.READY
    assert writer.position == {0: 0, 1: 4}


async def test_a_stretch_without_records_is_never_to_blame(lane: Lane, writer: FakeWriter) -> None:
    claim = ready(0, writer)
    writer.trouble = times(7, lambda: ConnectionLost("cut"))
    lane.submit(Slice.of(claim, 0, 5, []))
    await settle(lane)

    assert (claim.state, claim.next_offset) == (ClaimState.READY, 5)


# --- the world ---


async def test_the_world_is_waited_for_as_long_as_it_takes_on_a_new_connection(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    claim = ready(0, writer)
    writer.trouble = times(40, lambda: Unavailable("disk full"))
    lane.submit(piece(claim, 0, 3))
    await settle(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert waits == list(range(40))
    assert writer.disconnected == 40
    assert letters(writer) == []
    assert claim.state is ClaimState.READY


async def test_a_stalled_owner_is_ended_and_the_batch_tried_again_at_once(
    lane: Lane, writer: FakeWriter, waits: list[int]
) -> None:
    writer.trouble = times(1, lambda: Blocked("lock"))
    writer.stalled = [4711]
    lane.submit(piece(ready(0, writer), 0, 3))
    await settle(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert writer.stalled == []
    assert waits == []


@pytest.mark.parametrize("asking", [[], [ConnectionLost("cut")]], ids=["a busy one", "nobody answers"])
async def test_an_owner_that_is_not_stalled_is_waited_for(
    lane: Lane, writer: FakeWriter, waits: list[int], asking: list[StoreError]
) -> None:
    writer.trouble = times(1, lambda: Blocked("lock"))
    writer.asking = asking
    lane.submit(piece(ready(0, writer), 0, 3))
    await settle(lane)

    assert writer.stored == [[(0, 0, 3)]]
    assert waits == [0]


@pytest.mark.parametrize("error", [StaleOffsets, DataRefused, ConnectionLost, Blocked, NewConnection, Unavailable])
async def test_after_a_failure_partitions_go_alone_until_each_has_succeeded(
    lane: Lane, writer: FakeWriter, error: type[StoreError]
) -> None:
    claims = [ready(number, writer) for number in range(3)]
    writer.trouble = times(1, lambda: error("once"))
    for claim in claims:
        lane.submit(piece(claim, 0, 1))
    await settle(lane)
    assert sorted(writer.stored) == [[(0, 0, 1)], [(1, 0, 1)], [(2, 0, 1)]]

    lane._stopping = False
    for claim in claims:
        lane.submit(piece(claim, 1, 2))
    await settle(lane)
    assert sorted(writer.stored[-1]) == [(0, 1, 2), (1, 1, 2), (2, 1, 2)]


@pytest.mark.parametrize("error", [StaleOffsets, RepeatedIds, DataRefused, ConnectionLost, Blocked, Unavailable])
async def test_every_failure_is_counted_by_its_kind(lane: Lane, writer: FakeWriter, error: type[StoreError]) -> None:
    writer.trouble = times(1, lambda: error("once"))
    lane.submit(piece(ready(0, writer), 0, 1))
    await settle(lane)

    labels = {"error": error.__name__}
    assert lane.observer.registry.get_sample_value("agent_runs_batch_failures_total", labels) == 1
