"""The queue of one claim."""

from collections.abc import Iterator

import pytest

from consumer.lanes import queue as queues
from consumer.lanes.queue import Queue
from consumer.model.batches import Slice, Stored
from consumer.model.claims import Claim
from consumer.model.records import Fingerprint
from consumer.settings import IngestConfig
from tests.support.builders import event, message

SIZE = len(message(id="e0"))  # of an event; ids here have two characters
CONFIG = IngestConfig(batch_records=4, batch_bytes=10 * SIZE)
NOTHING_NEW = Stored(events=0, new_dead_letters=[], repeats=0)


@pytest.fixture(autouse=True)
def delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delay is one second, and one more for every earlier failure."""
    monkeypatch.setattr(queues, "retry_delay_s", lambda failures: 1.0 + failures)


@pytest.fixture
def queue() -> Queue:
    claim = Claim(0)
    claim.begin(0, None)
    return Queue(claim, CONFIG)


@pytest.fixture
def offsets() -> Iterator[int]:
    return iter(range(10))


def slice_of(queue: Queue, start: int, end: int) -> Slice:
    return Slice.of(queue.claim, start, end, [event(offset=offset, timestamp=offset) for offset in range(start, end)])


def bounds(queue: Queue) -> list[tuple[int, int]]:
    return [(slice_.start_offset, slice_.end_offset) for slice_ in queue.slices]


def test_slices_that_fit_into_one_batch_are_merged(queue: Queue) -> None:
    queue.append(slice_of(queue, 0, 2))
    queue.append(slice_of(queue, 2, 4))

    assert bounds(queue) == [(0, 4)]
    assert queue.slices[0].fingerprint == (3, 3)


def test_a_slice_that_does_not_fit_stays_a_slice_of_its_own(queue: Queue) -> None:
    queue.append(slice_of(queue, 0, 3))
    queue.append(slice_of(queue, 3, 5))

    assert bounds(queue) == [(0, 3), (3, 5)]


def test_slices_are_bounded_in_bytes(queue: Queue) -> None:
    large = Slice.of(queue.claim, 0, 1, [event(offset=0, data="x" * 8 * SIZE)])
    queue.append(large)
    queue.append(slice_of(queue, 1, 3))

    assert bounds(queue) == [(0, 1), (1, 3)]


def test_a_slice_larger_than_a_batch_is_split(queue: Queue) -> None:
    large = [event(offset=offset, data="x" * 7 * SIZE) for offset in range(4)]
    queue.append(Slice.of(queue.claim, 0, 4, large))

    assert bounds(queue) == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_a_slice_slightly_larger_than_a_batch_becomes_two(queue: Queue) -> None:
    queue.append(Slice.of(queue.claim, 0, 2, [event(offset=offset, data="x" * 6 * SIZE) for offset in range(2)]))

    assert bounds(queue) == [(0, 1), (1, 2)]


def test_a_slice_that_fills_a_batch_to_the_byte_is_merged(queue: Queue) -> None:
    first = event(offset=0)
    rest = CONFIG.batch_bytes - len(first.value) - len(message(id="e1", data="")) - 2 * len(b"r1")
    queue.append(Slice.of(queue.claim, 0, 1, [first]))
    queue.append(Slice.of(queue.claim, 1, 2, [event(offset=1, data="x" * rest)]))

    assert bounds(queue) == [(0, 2)]
    assert queue.slices[0].size_bytes == CONFIG.batch_bytes


def test_an_event_larger_than_a_batch_is_a_slice_of_its_own(queue: Queue) -> None:
    queue.append(Slice.of(queue.claim, 0, 1, [event(data="x" * 50 * SIZE)]))

    assert bounds(queue) == [(0, 1)]


def test_a_slice_that_is_being_written_does_not_grow(queue: Queue) -> None:
    queue.append(slice_of(queue, 0, 1))
    assert queue.begin() is queue.slices[0]
    queue.append(slice_of(queue, 1, 2))
    queue.append(slice_of(queue, 2, 3))

    assert bounds(queue) == [(0, 1), (1, 3)]
    assert [(slice_.start_offset, slice_.end_offset) for slice_ in queue.waiting()] == [(1, 3)]


def test_a_slice_may_grow_again_after_its_transaction_has_ended(queue: Queue) -> None:
    queue.append(slice_of(queue, 0, 1))
    queue.begin()
    queue.end()
    queue.append(slice_of(queue, 1, 2))

    assert bounds(queue) == [(0, 2)]
    assert len(queue.waiting()) == 1


def test_the_claim_is_idle_except_during_a_transaction(queue: Queue) -> None:
    queue.append(slice_of(queue, 0, 1))
    queue.begin()
    assert not queue.claim.idle.is_set()
    queue.end()
    assert queue.claim.idle.is_set()


def test_a_success_moves_the_claim_and_resets_the_counts_of_failures(queue: Queue) -> None:
    queue.append(slice_of(queue, 0, 2))
    queue.begin()
    queue.isolate()
    queue.lose_connection(now=100.0)
    queue.lose_connection(now=100.0)
    assert (queue.isolated, queue.consecutive_failures, queue.connection_losses) == (True, 2, 2)
    queue.succeed(NOTHING_NEW)

    assert (queue.claim.next_offset, queue.claim.fingerprint) == (2, (1, 1))
    assert (queue.isolated, queue.consecutive_failures, queue.connection_losses, queue.not_before) == (False, 0, 0, 0.0)
    assert bounds(queue) == []


def test_a_slice_without_records_keeps_the_fingerprint(queue: Queue) -> None:
    queue.claim.begin(8, Fingerprint(7, 70))
    queue.append(Slice.of(queue.claim, 8, 12, []))
    queue.succeed(NOTHING_NEW)

    assert (queue.claim.next_offset, queue.claim.fingerprint) == (12, (7, 70))


def test_the_delay_grows_with_each_failure(queue: Queue) -> None:
    queue.append(slice_of(queue, 0, 2))
    queue.back_off(now=100.0)
    assert (queue.consecutive_failures, queue.not_before) == (1, 101.0)
    queue.back_off(now=200.0)
    assert (queue.consecutive_failures, queue.not_before) == (2, 202.0)
    assert bounds(queue) == [(0, 2)]


def test_the_first_slice_may_be_split(queue: Queue) -> None:
    queue.append(slice_of(queue, 0, 4))
    queue.append(slice_of(queue, 4, 6))
    queue.lose_connection(now=100.0)
    queue.split_first(2)

    assert bounds(queue) == [(0, 2), (2, 4), (4, 6)]
    assert queue.connection_losses == 0


def test_a_queue_is_alive_while_its_claim_is_ready(queue: Queue) -> None:
    assert queue.alive
    queue.claim.halt("gone")
    assert [queue.alive] == [False]


def test_the_first_stored_record_becomes_the_anchor(queue: Queue) -> None:
    # Given a claim that began in an empty log,
    for start in (0, 2):
        queue.append(slice_of(queue, start, start + 2))
        # when records are stored before the anchor was checked,
        queue.begin()
        queue.succeed(NOTHING_NEW)
        queue.end()
    # then the first of them is the anchor: the later ones may be from a topic that was created again.
    assert queue.claim.anchor == (1, 1)
