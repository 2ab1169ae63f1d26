"""The send queue is bounded and keeps the order, and every event has exactly one count."""

import math
import signal
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runs import EventsDropped, Input, decode_event, encode_event
from agent_runs.emitter.buffer import FlushBarrier
from agent_runs.emitter.drops import DropReason
from agent_runs.emitter.records import Record
from agent_runs.emitter.send_queue import SendQueue
from agent_runs.emitter.stats import Stats

KIB = 1024
AT = datetime(2026, 1, 1, tzinfo=UTC)
UNBOUNDED = 10**9
BUSY_S = 30.0  # a busy machine may need so long for what takes no time


def record(run: str = "run", size: int = KIB, essential: bool = False, name: str = "e") -> Record:
    """Return a record that takes `size` bytes of the queue; `name` is the id of its event."""
    value = encode_event(Input(id=name, timestamp=AT, tool="t", data=None))
    empty = Record(run.encode(), b"").size
    return Record(run.encode(), value.ljust(size - empty, b" "), essential=essential)


def name_of(one: Record) -> str:
    return decode_event(one.value).id


def markers(records: list[Record]) -> list[tuple[str, int, str | None]]:
    """Return the run, count and reason of each marker among the records."""
    events = [(one.key.decode(), decode_event(one.value)) for one in records if one.dropped_count]
    return [(run, event.count, event.reason) for run, event in events if isinstance(event, EventsDropped)]


def balance(stats: Stats) -> int:
    return stats.emitted - stats.sent - stats.pending - sum(stats.dropped.values())


def test_an_event_is_pending_from_its_acceptance_to_its_acknowledgement() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    records = [record(name=name) for name in "abc"]

    assert [queue.offer(one) for one in records] == [True, True, True]
    assert queue.stats() == Stats(emitted=3, sent=0, pending=3, dropped={}, recorded=0)
    assert queue.take() == records
    assert queue.take() == []
    assert queue.stats().pending == 3
    queue.acknowledge(records[:2])
    assert queue.stats() == Stats(emitted=3, sent=2, pending=1, dropped={}, recorded=0)
    assert not queue.is_empty
    queue.acknowledge(records[2:])
    assert queue.is_empty


def test_an_event_and_a_drop_wake_the_delivery() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    woken: list[bool] = []
    queue.wake = lambda: woken.append(queue.has_waiting)

    queue.offer(record())
    queue.take()
    queue.drop(b"run", DropReason.INVALID)

    assert woken == [True, True]


@pytest.mark.parametrize(("most_bytes", "most_records"), [(160 * KIB, UNBOUNDED), (UNBOUNDED, 160)])
def test_a_full_queue_refuses_new_events_and_reserves_a_part_for_essential_ones(
    most_bytes: int, most_records: int
) -> None:
    queue = SendQueue(most_bytes, most_records)

    assert [queue.offer(record()) for _ in range(152)] == [True] * 150 + [False] * 2
    # The reserved sixteenth has room for ten records.
    assert [queue.offer(record("other", essential=True)) for _ in range(12)] == [True] * 10 + [False] * 2
    assert queue.stats() == Stats(emitted=164, sent=0, pending=160, dropped={"queue_full": 4}, recorded=0)


def test_one_marker_records_many_drops_as_soon_as_there_is_room() -> None:
    queue = SendQueue(160 * KIB, UNBOUNDED)
    for _ in range(155):
        queue.offer(record())
    full = queue.take()
    assert len(full) == 150
    assert not queue.has_waiting

    queue.acknowledge(full[:1])

    recorded = queue.take()
    assert markers(recorded) == [("run", 5, "queue_full")]
    queue.acknowledge([*full[1:], *recorded])
    assert queue.stats() == Stats(emitted=155, sent=150, pending=0, dropped={"queue_full": 5}, recorded=5)
    assert queue.is_empty


def test_drops_of_a_full_queue_share_one_marker_even_if_there_is_room_for_more() -> None:
    queue = SendQueue(160 * KIB, UNBOUNDED)
    full = [record() for _ in range(148)]
    for one in full:
        queue.offer(one)
    for _ in range(10):
        assert queue.offer(record(size=4 * KIB)) is False

    queue.acknowledge(full[:1])

    assert markers(queue.take()) == [("run", 10, "queue_full")]


def test_markers_do_not_use_the_reserved_part() -> None:
    queue = SendQueue(UNBOUNDED, 160)
    for number in range(300):
        queue.drop(b"run-%d" % number, DropReason.INVALID)

    assert len(markers(queue.take())) == 150
    assert [queue.offer(record(essential=True)) for _ in range(11)] == [True] * 10 + [False]


def test_a_replaced_record_frees_the_room_that_it_took() -> None:
    queue = SendQueue(160 * KIB, UNBOUNDED)
    large = record(size=100 * KIB)
    queue.offer(large)
    marker = queue.replace(large)
    assert marker is not None
    queue.acknowledge([marker])

    assert [queue.offer(record()) for _ in range(151)] == [True] * 150 + [False]


def test_a_deferred_event_counts_as_waiting_and_goes_before_the_next_one() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    queue._lock.defer(queue._buffer.offer, first := record(name="first"))

    assert queue.has_waiting
    assert not queue.is_empty
    queue.offer(second := record(name="second"))
    assert queue.take() == [first, second]


def test_a_flush_records_drops_whose_marker_an_exception_prevented() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    with (
        patch.object(queue._buffer, "_record_drops", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        queue.drop(b"run", DropReason.INVALID)
    assert not queue.has_waiting

    queue.drain(monotonic() + 0.01)

    assert markers(queue.take()) == [("run", 1, "invalid")]


def test_a_marker_goes_before_an_essential_event_of_its_run_in_the_reserved_part() -> None:
    queue = SendQueue(160 * KIB, UNBOUNDED)
    for _ in range(152):
        queue.offer(record())

    assert queue.offer(end := record(essential=True)) is True

    *_, marker, last = queue.take()
    assert markers([marker]) == [("run", 2, "queue_full")]
    assert last is end


def test_an_event_that_does_not_fit_together_with_its_marker_is_dropped() -> None:
    queue = SendQueue(160 * KIB, UNBOUNDED)
    for _ in range(151):
        queue.offer(record())

    assert queue.offer(record(size=10 * KIB, essential=True)) is False
    assert queue.stats().dropped == {"queue_full": 2}
    assert queue.offer(record(size=9 * KIB, essential=True)) is True


def test_each_reason_has_its_own_marker_and_an_event_without_a_run_has_none() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    for key, reason in [(b"a", DropReason.INVALID), (b"a", DropReason.TOO_LARGE), (None, DropReason.INVALID)]:
        queue.drop(key, reason)

    assert markers(queue.take()) == [("a", 1, "invalid"), ("a", 1, "too_large")]
    assert queue.stats().dropped == {"invalid": 2, "too_large": 1}
    assert queue.stats().emitted == 3


def test_drops_of_more_than_10_000_runs_are_counted_and_not_recorded() -> None:
    queue = SendQueue(160 * KIB, UNBOUNDED)
    for _ in range(150):
        queue.offer(record())
    full = queue.take()
    for number in range(10_050):
        queue.offer(record(f"run-{number}"))

    for _ in range(200):
        queue.acknowledge(full)
        full = queue.take()

    assert queue.is_empty
    assert queue.stats().dropped == {"queue_full": 10_050}
    assert queue.stats().recorded == 10_000


def test_a_record_that_is_too_large_for_the_topic_is_replaced_by_a_marker() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    queue.offer(large := record(size=99 * KIB, name="too large"))
    queue.offer(small := record())
    queue.take()

    marker = queue.replace(large)

    assert marker is not None
    # The marker has the event's id, because later events may name it as their parent.
    assert markers([marker]) == [("run", 1, "too_large")]
    assert name_of(marker) == "too large"
    assert queue.stats() == Stats(emitted=2, sent=0, pending=1, dropped={"too_large": 1}, recorded=0)
    queue.acknowledge([marker, small])
    assert queue.stats() == Stats(emitted=2, sent=1, pending=0, dropped={"too_large": 1}, recorded=1)
    assert queue.is_empty


def test_a_marker_that_is_too_large_for_the_topic_is_dropped() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    queue.drop(b"run", DropReason.INVALID)
    (refused,) = queue.take()

    assert queue.replace(refused) is None
    assert queue.is_empty
    assert queue.stats() == Stats(emitted=1, sent=0, pending=0, dropped={"invalid": 1}, recorded=0)


def test_a_closed_queue_refuses_events_and_keeps_its_records() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    queue.offer(kept := record())
    queue.close()

    assert queue.offer(record(essential=True)) is False
    assert queue.refusal is DropReason.CLOSED
    assert queue.take() == [kept]
    assert queue.stats() == Stats(emitted=2, sent=0, pending=1, dropped={"closed": 1}, recorded=0)


def test_the_reason_not_configured_remains_after_close() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED, refusal=DropReason.NOT_CONFIGURED)
    queue.offer(record())
    queue.close()
    queue.offer(record())

    assert queue.stats().dropped == {"not_configured": 2}
    assert queue.is_empty


# --- flush ---


def test_a_flush_waits_for_earlier_records_only() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    before, after = [record(), record()], record()
    for one in before:
        queue.offer(one)
    barrier = queue._buffer.add_barrier()
    queue.offer(after)

    queue.acknowledge([before[0], after])
    assert barrier.events == 1
    queue.acknowledge([before[1]])
    assert barrier.events == 0


def test_a_flush_ends_when_its_last_record_is_acknowledged() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    records = [record() for _ in range(3)]
    for one in records:
        queue.offer(one)
    began = monotonic()
    thread = Thread(target=queue.acknowledge, args=(records,))
    thread.start()

    assert queue.flush(began + 2 * BUSY_S) == 0
    assert monotonic() < began + BUSY_S
    thread.join()


def test_a_flush_returns_the_number_of_pending_events_at_its_deadline() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    for _ in range(3):
        queue.offer(record())
    began = monotonic()

    assert queue.flush(began + 0.1) == 3
    assert 0.1 <= monotonic() - began < BUSY_S
    assert queue.flush(began - 1) == 3
    assert queue._buffer._barriers == []


def test_a_flush_without_a_deadline_ends_with_its_last_record() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    queue.offer(one := record())
    thread = Thread(target=queue.acknowledge, args=([one],))
    thread.start()

    assert queue.flush(math.inf) == 0
    thread.join()


def test_a_flush_waits_for_the_marker_of_a_replaced_record() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    queue.offer(large := record(size=9 * KIB))
    barrier = queue._buffer.add_barrier()
    marker = queue.replace(large)

    assert marker is not None
    assert (barrier.events, barrier._released.is_set()) == (0, False)
    queue.acknowledge([marker])
    assert barrier._released.is_set()


def test_a_flush_does_not_wait_for_a_dropped_marker() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    queue.drop(b"run", DropReason.INVALID)
    waiting = Thread(target=queue.flush, args=(monotonic() + 60,))
    waiting.start()
    (one,) = queue.take()
    while not queue._buffer._barriers:
        sleep(0.001)

    assert queue.replace(one) is None

    waiting.join(30)
    assert not waiting.is_alive()


def test_a_replaced_record_after_the_flush_does_not_count() -> None:
    barrier = FlushBarrier(last_ordinal=1, records=1, events=1)
    later = record()
    later.ordinal = 2

    barrier.replace(later)

    assert barrier.events == 1


def test_the_delivery_thread_does_not_wait_for_itself() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    queue.set_delivery_thread()
    queue.offer(record())
    began = monotonic()

    assert queue.flush(began + 2 * BUSY_S) == 1
    assert queue.drain(began + 2 * BUSY_S) == 1
    assert monotonic() < began + BUSY_S


def test_a_drained_queue_has_recorded_every_drop() -> None:
    queue = SendQueue(160 * KIB, UNBOUNDED)
    for _ in range(155):
        queue.offer(record())

    def deliver() -> None:
        while not queue.is_empty:
            queue.acknowledge(queue.take())

    thread = Thread(target=deliver)
    thread.start()
    assert queue.drain(monotonic() + BUSY_S) == 0
    thread.join()
    assert queue.stats() == Stats(emitted=155, sent=150, pending=0, dropped={"queue_full": 5}, recorded=5)


def test_giving_up_drops_pending_events_and_ends_a_flush() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    queue.drop(b"run", DropReason.INVALID)
    records = [record(), record(), record()]
    for one in records:
        queue.offer(one)
    taken: list[Record] = []
    delivery = Thread(target=lambda: taken.extend(queue.take()))
    delivery.start()
    delivery.join()
    queue.acknowledge(taken[1:2])
    waiting = Thread(target=queue.flush, args=(monotonic() + 60,))
    waiting.start()
    queue.close()

    assert queue.give_up() == 2
    waiting.join(30)
    assert not waiting.is_alive()
    # Later acknowledgements and replacements change nothing.
    queue.acknowledge(taken[2:3])
    assert queue.replace(taken[3]) is None
    assert queue.stats() == Stats(emitted=4, sent=1, pending=0, dropped={"invalid": 1, "given_up": 2}, recorded=0)
    assert queue.is_empty
    assert queue.give_up() == 0


# --- interrupted updates ---


def test_an_event_emitted_inside_an_update_is_deferred_until_its_end() -> None:
    # Given an update that is interrupted by a finaliser that emits,
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    from_finaliser = record("finalised")
    answers: list[bool | None] = []

    def interrupted(size: int, records: int, *, essential: bool) -> bool:
        if not answers:
            answers.append(queue.offer(from_finaliser))
        return True

    queue._buffer._has_room = interrupted  # type: ignore[method-assign]
    # when the update is over,
    assert queue.offer(first := record()) is True
    # then `offer` returned None to the finaliser, and its event comes second.
    assert answers == [None]
    assert queue.take() == [first, from_finaliser]
    assert queue.stats() == Stats(emitted=2, sent=0, pending=2, dropped={}, recorded=0)


def block(queue: SendQueue) -> tuple[Thread, Event]:
    """Start a thread that stays inside an update until the event is set, as if a finaliser waited there."""
    is_inside, proceed = Event(), Event()

    def update() -> None:
        is_inside.set()
        proceed.wait(2 * BUSY_S)

    thread = Thread(target=queue._lock.run, args=(update,))
    thread.start()
    assert is_inside.wait(30)
    return thread, proceed


def test_an_agent_does_not_wait_for_an_update_that_does_not_end() -> None:
    # Given a thread that is blocked inside an update,
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    thread, proceed = block(queue)
    # when an agent emits, drops, flushes and reads the counts,
    began = monotonic()
    offered = [record(name=str(number)) for number in range(5)]
    assert [queue.offer(one) for one in offered] == [None] * 5
    queue.drop(b"run", DropReason.INVALID)
    assert queue.flush(monotonic() + 0.1) == 0
    assert queue.stats().emitted == 0
    assert monotonic() - began < BUSY_S
    assert not queue.is_empty
    # then the event and the drop are in the queue once the thread proceeds, in order and before a later event.
    proceed.set()
    thread.join()
    queue.offer(record(name="later"))
    taken = queue.take()
    assert [name_of(one) for one in taken if not one.dropped_count] == ["0", "1", "2", "3", "4", "later"]
    assert markers(taken[5:6]) == [("run", 1, "invalid")]
    assert queue.stats().emitted == 7


def test_the_number_of_deferred_events_is_bounded() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    thread, proceed = block(queue)
    with patch("agent_runs.emitter.send_queue._LOCK_TIMEOUT_S", 0.0):
        for number in range(1_100):
            queue.offer(record(name=str(number)))
    proceed.set()
    thread.join()

    assert len([one for one in queue.take() if not one.dropped_count]) == 1_000
    assert queue.stats().dropped == {"queue_full": 100}
    assert queue.stats().emitted == 1_100


class InterruptedLock:
    """Replaces the lock of a queue, and calls a function after each `acquire`, as a signal would."""

    def __init__(self, queue: SendQueue, interrupt: Callable[[], None]) -> None:
        self._lock = queue._lock._lock
        self._interrupt = interrupt
        queue._lock._lock = self  # type: ignore[assignment]

    def acquire(self, timeout: float) -> bool:
        is_acquired = self._lock.acquire(timeout=timeout)
        self._interrupt()
        return is_acquired

    def release(self) -> None:
        self._lock.release()


def test_a_signal_handler_does_not_wait_for_the_lock_of_the_thread_that_it_interrupts() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    waited: list[float] = []

    def interrupt() -> None:
        if waited:
            return
        began = monotonic()
        assert queue.offer(record()) is None
        queue.drain(began + 2 * BUSY_S)
        waited.append(monotonic() - began)

    InterruptedLock(queue, interrupt)
    assert queue.offer(record()) is True
    assert waited[0] < BUSY_S
    assert len(queue.take()) == 2


def test_an_exception_from_a_signal_handler_releases_the_lock() -> None:
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    errors = [KeyboardInterrupt()]

    def interrupt() -> None:
        if errors:
            raise errors.pop()

    InterruptedLock(queue, interrupt)
    with pytest.raises(KeyboardInterrupt):
        queue.offer(record())
    # The other threads and this one can still use the queue.
    other = Thread(target=queue.offer, args=(record(),))
    other.start()
    other.join()
    assert queue.offer(record()) is True
    assert len(queue.take()) == 2


def test_exceptions_at_any_point_leave_the_counts_right() -> None:
    # Given a signal handler that raises,
    queue = SendQueue(UNBOUNDED, UNBOUNDED)
    random = Random(1)
    before = signal.getsignal(signal.SIGALRM)

    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        # when it interrupts an agent that emits, at many different points,
        for _ in range(4_000):
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 1e-4))
                for _ in range(60):
                    queue.offer(record())
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    # then the pending events are those in the queue.
    assert interrupted > 1_000
    assert queue.stats().pending == len(queue.take())
    assert balance(queue.stats()) == 0


# --- any sequence of calls ---

RUNS = ("a", "b", "c")
steps = st.one_of(
    st.tuples(st.just("offer"), st.sampled_from(RUNS), st.integers(1, 12), st.booleans()),
    st.tuples(st.just("drop"), st.sampled_from(RUNS)),
    st.tuples(st.just("acknowledge"), st.integers(1, 6)),
    st.tuples(st.just("replace")),
)


@given(st.lists(steps, max_size=120))
@settings(max_examples=200)
def test_every_event_is_counted_once_and_markers_stand_where_events_are_missing(history: list[Any]) -> None:
    # Given a small queue, and for each run the names of its events, with None for each dropped one,
    queue = SendQueue(64 * KIB, 40)
    expected: dict[str, list[str | None]] = defaultdict(list)
    taken: list[Record] = []
    sent: list[Record] = []
    for number, step in enumerate(history):
        match step:
            case ("offer", run, size, essential):
                accepted = queue.offer(record(run, size * KIB, essential, name=str(number)))
                expected[run].append(str(number) if accepted else None)
            case ("drop", run):
                queue.drop(run.encode(), DropReason.INVALID)
                expected[run].append(None)
            case ("acknowledge", count):
                taken += queue.take()
                queue.acknowledge(taken[:count])
                sent += taken[:count]
                del taken[:count]
            case ("replace",) if taken:
                refused = taken.pop(0)
                if not refused.dropped_count:
                    run, name = refused.key.decode(), name_of(refused)
                    expected[run][expected[run].index(name)] = None
                    taken.insert(0, queue.replace(refused) or refused)
                else:
                    taken.insert(0, refused)
        assert balance(queue.stats()) == 0
        assert queue._buffer._bytes <= 64 * KIB
        assert queue._buffer._records <= 40
    # when all records are acknowledged,
    while not queue.is_empty:
        taken += queue.take()
        queue.acknowledge(taken)
        sent += taken
        taken = []
    # then each run has its events in order, and markers that count exactly the missing ones in their places.
    for run in RUNS:
        assert names_and_gaps(sent, run) == expected_gaps(expected[run])
    assert queue.stats().recorded == sum(queue.stats().dropped.values())
    assert balance(queue.stats()) == 0


def names_and_gaps(records: list[Record], run: str) -> list[str | int]:
    """Return the names of a run's events, with the counts of its markers between them."""
    own = [one for one in records if one.key.decode() == run]
    return join_gaps([one.dropped_count or name_of(one) for one in own])


def expected_gaps(names: list[str | None]) -> list[str | int]:
    return join_gaps([1 if name is None else name for name in names])


def join_gaps(items: list[str | int]) -> list[str | int]:
    result: list[str | int] = []
    for item in items:
        if isinstance(item, int) and result and isinstance(result[-1], int):
            result[-1] += item
        else:
            result.append(item)
    return result
