"""The queue between an agent and Kafka: bounded, in order, every event in one place."""

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
from agent_runs.emitter.records import Record
from agent_runs.emitter.send_queue import SendQueue
from agent_runs.emitter.stats import DropReason, Stats

KIB = 1024
AT = datetime(2026, 1, 1, tzinfo=UTC)
PLENTY = 10**9


def record(run: str = "run", size: int = KIB, essential: bool = False, name: str = "e") -> Record:
    """An event of this id that takes so many bytes of the queue."""
    value = encode_event(Input(id=name, timestamp=AT, tool="t", data=None))
    empty = Record(run.encode(), b"").size
    return Record(run.encode(), value.ljust(size - empty, b" "), essential=essential)


def name_of(one: Record) -> str:
    return decode_event(one.value).id


def markers(records: list[Record]) -> list[tuple[str, int, str | None]]:
    """Run, count and reason of those among them."""
    events = [(one.key.decode(), decode_event(one.value)) for one in records if one.dropped_count]
    return [(run, event.count, event.reason) for run, event in events if isinstance(event, EventsDropped)]


def balance(stats: Stats) -> int:
    return stats.emitted - stats.sent - stats.pending - sum(stats.dropped.values())


def test_what_is_accepted_is_pending_until_it_is_settled() -> None:
    queue = SendQueue(PLENTY, PLENTY)
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


def test_it_says_when_there_is_something_to_take() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    woken: list[bool] = []
    queue.wake = lambda: woken.append(queue.has_waiting)

    queue.offer(record())
    queue.take()
    queue.drop(b"run", DropReason.INVALID)

    assert woken == [True, True]


@pytest.mark.parametrize(("most_bytes", "most_records"), [(160 * KIB, PLENTY), (PLENTY, 160)])
def test_when_it_is_full_the_newest_is_refused_and_a_part_is_kept_for_what_is_essential(
    most_bytes: int, most_records: int
) -> None:
    queue = SendQueue(most_bytes, most_records)

    assert [queue.offer(record()) for _ in range(152)] == [True] * 150 + [False] * 2
    # Before the end of the run comes the marker of its hole; together they fill what was kept.
    assert [queue.offer(record("other", essential=True)) for _ in range(12)] == [True] * 10 + [False] * 2
    assert queue.stats() == Stats(emitted=164, sent=0, pending=160, dropped={"queue_full": 4}, recorded=0)


def test_a_hole_is_recorded_as_soon_as_there_is_room_once_for_many_events() -> None:
    queue = SendQueue(160 * KIB, PLENTY)
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


def test_many_events_that_have_no_room_are_one_hole_even_where_their_marker_has_room() -> None:
    queue = SendQueue(160 * KIB, PLENTY)
    full = [record() for _ in range(148)]
    for one in full:
        queue.offer(one)
    for _ in range(10):
        assert queue.offer(record(size=4 * KIB)) is False

    queue.acknowledge(full[:1])

    assert markers(queue.take()) == [("run", 10, "queue_full")]


def test_markers_leave_what_is_kept_for_essential_events_alone() -> None:
    queue = SendQueue(PLENTY, 160)
    for number in range(300):
        queue.drop(b"run-%d" % number, DropReason.INVALID)

    assert len(markers(queue.take())) == 150
    assert [queue.offer(record(essential=True)) for _ in range(11)] == [True] * 10 + [False]


def test_what_was_replaced_leaves_as_much_room_as_it_took() -> None:
    queue = SendQueue(160 * KIB, PLENTY)
    large = record(size=100 * KIB)
    queue.offer(large)
    substitute = queue.replace(large)
    assert substitute is not None
    queue.acknowledge([substitute])

    assert [queue.offer(record()) for _ in range(151)] == [True] * 150 + [False]


def test_what_was_put_off_is_there_to_be_taken_and_comes_before_what_is_said_next() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    queue._lock.defer(queue._buffer.offer, first := record(name="first"))

    assert queue.has_waiting
    assert not queue.is_empty
    queue.offer(second := record(name="second"))
    assert queue.take() == [first, second]


def test_a_hole_that_an_exception_left_unrecorded_is_recorded_before_the_end() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    with (
        patch.object(queue._buffer, "_record_drops", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        queue.drop(b"run", DropReason.INVALID)
    assert not queue.has_waiting

    queue.drain(monotonic() + 0.01)

    assert markers(queue.take()) == [("run", 1, "invalid")]


def test_a_hole_is_recorded_before_the_next_event_of_its_run_even_from_the_part_that_is_kept() -> None:
    queue = SendQueue(160 * KIB, PLENTY)
    for _ in range(152):
        queue.offer(record())

    assert queue.offer(end := record(essential=True)) is True

    *_, last_but_one, last = queue.take()
    assert markers([last_but_one]) == [("run", 2, "queue_full")]
    assert last is end


def test_an_event_that_has_no_room_beside_its_marker_has_none() -> None:
    queue = SendQueue(160 * KIB, PLENTY)
    for _ in range(151):
        queue.offer(record())

    assert queue.offer(record(size=10 * KIB, essential=True)) is False
    assert queue.stats().dropped == {"queue_full": 2}
    assert queue.offer(record(size=9 * KIB, essential=True)) is True


def test_each_reason_has_a_marker_of_its_own_and_a_run_that_is_none_has_no_marker() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    for key, reason in [(b"a", DropReason.INVALID), (b"a", DropReason.TOO_LARGE), (None, DropReason.INVALID)]:
        queue.drop(key, reason)

    assert markers(queue.take()) == [("a", 1, "invalid"), ("a", 1, "too_large")]
    assert queue.stats().dropped == {"invalid": 2, "too_large": 1}
    assert queue.stats().emitted == 3


def test_of_more_runs_than_are_remembered_the_holes_are_counted_all_the_same() -> None:
    queue = SendQueue(160 * KIB, PLENTY)
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


def test_what_kafka_will_not_take_is_replaced_by_its_marker() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    queue.offer(large := record(size=99 * KIB, name="too large"))
    queue.offer(small := record())
    queue.take()

    substitute = queue.replace(large)

    assert substitute is not None
    # It has the event's id: what came later may name that as its parent.
    assert markers([substitute]) == [("run", 1, "too_large")]
    assert name_of(substitute) == "too large"
    assert queue.stats() == Stats(emitted=2, sent=0, pending=1, dropped={"too_large": 1}, recorded=0)
    queue.acknowledge([substitute, small])
    assert queue.stats() == Stats(emitted=2, sent=1, pending=0, dropped={"too_large": 1}, recorded=1)
    assert queue.is_empty


def test_a_marker_that_kafka_will_not_take_has_no_substitute() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    queue.drop(b"run", DropReason.INVALID)
    (refused,) = queue.take()

    assert queue.replace(refused) is None
    assert queue.is_empty
    assert queue.stats() == Stats(emitted=1, sent=0, pending=0, dropped={"invalid": 1}, recorded=0)


def test_a_closed_one_refuses_everything_and_keeps_what_it_has() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    queue.offer(kept := record())
    queue.close()

    assert queue.offer(record(essential=True)) is False
    assert queue.refusal is DropReason.CLOSED
    assert queue.take() == [kept]
    assert queue.stats() == Stats(emitted=2, sent=0, pending=1, dropped={"closed": 1}, recorded=0)


def test_one_that_nothing_is_configured_for_says_so_even_when_closed() -> None:
    queue = SendQueue(PLENTY, PLENTY, refusal=DropReason.NOT_CONFIGURED)
    queue.offer(record())
    queue.close()
    queue.offer(record())

    assert queue.stats().dropped == {"not_configured": 2}
    assert queue.is_empty


# --- waiting ---


def test_a_flush_waits_for_what_came_before_it_and_not_for_what_comes_after() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    before, after = [record(), record()], record()
    for one in before:
        queue.offer(one)
    barrier = queue._buffer.add_barrier()
    queue.offer(after)

    queue.acknowledge([before[0], after])
    assert barrier.events == 1
    queue.acknowledge([before[1]])
    assert barrier.events == 0


def test_a_flush_ends_when_the_last_of_its_records_is_settled() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    records = [record() for _ in range(3)]
    for one in records:
        queue.offer(one)
    began = monotonic()
    thread = Thread(target=queue.acknowledge, args=(records,))
    thread.start()

    assert queue.flush(began + 10) == 0
    assert monotonic() < began + 5
    thread.join()


def test_a_flush_returns_at_its_deadline_with_what_is_left() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    for _ in range(3):
        queue.offer(record())
    began = monotonic()

    assert queue.flush(began + 0.1) == 3
    assert 0.1 <= monotonic() - began < 2
    assert queue.flush(began - 1) == 3
    # Nobody waits any more, and nothing is left of it.
    assert queue._buffer._barriers == []


def test_a_flush_without_an_end_ends_with_its_records() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    queue.offer(one := record())
    thread = Thread(target=queue.acknowledge, args=([one],))
    thread.start()

    assert queue.flush(math.inf) == 0
    thread.join()


def test_who_waits_for_a_refused_record_waits_for_its_marker() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    queue.offer(large := record(size=9 * KIB))
    barrier = queue._buffer.add_barrier()
    substitute = queue.replace(large)

    assert substitute is not None
    assert (barrier.events, barrier._released.is_set()) == (0, False)
    queue.acknowledge([substitute])
    assert barrier._released.is_set()


def test_who_waits_for_a_marker_that_kafka_will_not_take_waits_no_longer() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    queue.drop(b"run", DropReason.INVALID)
    waiting = Thread(target=queue.flush, args=(monotonic() + 60,))
    waiting.start()
    (one,) = queue.take()
    while not queue._buffer._barriers:
        sleep(0.001)

    assert queue.replace(one) is None

    waiting.join(30)
    assert not waiting.is_alive()


def test_what_is_replaced_later_is_not_waited_for() -> None:
    barrier = FlushBarrier(last_ordinal=1, records=1, events=1)
    later = record()
    later.ordinal = 2

    barrier.replace(later)

    assert barrier.events == 1


def test_who_carries_must_not_wait_for_itself() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    queue.set_delivery_thread()
    queue.offer(record())
    began = monotonic()

    assert queue.flush(began + 60) == 1
    assert queue.drain(began + 60) == 1
    assert monotonic() < began + 10


def test_a_drained_one_has_no_hole_that_its_run_does_not_know_of() -> None:
    queue = SendQueue(160 * KIB, PLENTY)
    for _ in range(155):
        queue.offer(record())

    def carry() -> None:
        while not queue.is_empty:
            queue.acknowledge(queue.take())

    thread = Thread(target=carry)
    thread.start()
    assert queue.drain(monotonic() + 10) == 0
    thread.join()
    assert queue.stats() == Stats(emitted=155, sent=150, pending=0, dropped={"queue_full": 5}, recorded=5)


def test_what_is_given_up_is_dropped_and_whoever_waited_for_it_goes_on() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    queue.drop(b"run", DropReason.INVALID)
    records = [record(), record(), record()]
    for one in records:
        queue.offer(one)
    taken: list[Record] = []
    carrier = Thread(target=lambda: taken.extend(queue.take()))
    carrier.start()
    carrier.join()
    queue.acknowledge(taken[1:2])
    waiting = Thread(target=queue.flush, args=(monotonic() + 60,))
    waiting.start()
    queue.close()

    assert queue.give_up() == 2
    waiting.join(10)
    assert not waiting.is_alive()
    # What the carrier still learns changes nothing.
    queue.acknowledge(taken[2:3])
    assert queue.replace(taken[3]) is None
    assert queue.stats() == Stats(emitted=4, sent=1, pending=0, dropped={"invalid": 1, "given_up": 2}, recorded=0)
    assert queue.is_empty
    assert queue.give_up() == 0


# --- interrupted ---


def test_what_is_emitted_in_the_middle_of_a_change_is_put_off_until_the_change_is_complete() -> None:
    # Given a change that a finaliser interrupts, which emits,
    queue = SendQueue(PLENTY, PLENTY)
    interrupting = record("finalised")
    answers: list[bool | None] = []

    def interrupted(size: int, records: int, *, essential: bool) -> bool:
        if not answers:
            answers.append(queue.offer(interrupting))
        return True

    queue._buffer._has_room = interrupted  # type: ignore[method-assign]
    # when the change is over,
    assert queue.offer(first := record()) is True
    # then the finaliser was not told yet what became of its event, and it is there, behind.
    assert answers == [None]
    assert queue.take() == [first, interrupting]
    assert queue.stats() == Stats(emitted=2, sent=0, pending=2, dropped={}, recorded=0)


def held(queue: SendQueue) -> tuple[Thread, Event]:
    """Another thread in the middle of a change, until it is told to go on: a finaliser waits there for something."""
    within, go_on = Event(), Event()

    def change() -> None:
        within.set()
        go_on.wait(60)

    thread = Thread(target=queue._lock.run, args=(change,))
    thread.start()
    assert within.wait(10)
    return thread, go_on


def test_an_agent_does_not_wait_for_a_change_that_does_not_end() -> None:
    # Given a thread that stands still in the middle of a change,
    queue = SendQueue(PLENTY, PLENTY)
    thread, go_on = held(queue)
    # when agents emit, and look,
    began = monotonic()
    said = [record(name=str(number)) for number in range(5)]
    assert [queue.offer(one) for one in said] == [None] * 5
    queue.drop(b"run", DropReason.INVALID)
    assert queue.flush(monotonic() + 0.1) == 0
    assert queue.stats().emitted == 0
    assert monotonic() - began < 5
    assert not queue.is_empty
    # then all of it is there once it goes on, in order and before what comes later.
    go_on.set()
    thread.join()
    queue.offer(record(name="later"))
    taken = queue.take()
    assert [name_of(one) for one in taken if not one.dropped_count] == ["0", "1", "2", "3", "4", "later"]
    assert markers(taken[5:6]) == [("run", 1, "invalid")]
    assert queue.stats().emitted == 7


def test_what_comes_during_a_change_that_does_not_end_is_bounded_too() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    thread, go_on = held(queue)
    with patch("agent_runs.emitter.send_queue._LOCK_TIMEOUT_S", 0.0):
        for number in range(1_100):
            queue.offer(record(name=str(number)))
    go_on.set()
    thread.join()

    assert len([one for one in queue.take() if not one.dropped_count]) == 1_000
    assert queue.stats().dropped == {"queue_full": 100}
    assert queue.stats().emitted == 1_100


class Struck:
    """The lock of an queue, and a signal that strikes whenever it is just taken."""

    def __init__(self, queue: SendQueue, strike: Callable[[], None]) -> None:
        self._lock = queue._lock._lock
        self._strike = strike
        queue._lock._lock = self  # type: ignore[assignment]

    def acquire(self, timeout: float) -> bool:
        taken = self._lock.acquire(timeout=timeout)
        self._strike()
        return taken

    def release(self) -> None:
        self._lock.release()


def test_who_interrupts_a_thread_that_has_just_taken_the_lock_does_not_wait_for_it() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    waited: list[float] = []

    def strike() -> None:
        if waited:
            return
        began = monotonic()
        assert queue.offer(record()) is None
        queue.drain(began + 5)
        waited.append(monotonic() - began)

    Struck(queue, strike)
    assert queue.offer(record()) is True
    assert waited[0] < 1
    assert len(queue.take()) == 2


def test_an_exception_out_of_a_signal_handler_leaves_the_lock_free() -> None:
    queue = SendQueue(PLENTY, PLENTY)
    alarms = [KeyboardInterrupt()]

    def strike() -> None:
        if alarms:
            raise alarms.pop()

    Struck(queue, strike)
    with pytest.raises(KeyboardInterrupt):
        queue.offer(record())
    # This thread and others go on.
    other = Thread(target=queue.offer, args=(record(),))
    other.start()
    other.join()
    assert queue.offer(record()) is True
    assert len(queue.take()) == 2


def test_exceptions_from_everywhere_leave_the_counts_right() -> None:
    # Given a signal handler that raises, wherever it strikes,
    queue = SendQueue(PLENTY, PLENTY)
    random = Random(1)
    before = signal.getsignal(signal.SIGALRM)

    class Interrupted(Exception):
        pass

    def strike(*_: object) -> None:
        raise Interrupted

    signal.signal(signal.SIGALRM, strike)
    interrupted = 0
    try:
        # when it does so again and again while an agent emits,
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
    # then what is counted as pending is what is there.
    assert interrupted > 1_000
    assert queue.stats().pending == len(queue.take())
    assert balance(queue.stats()) == 0


# --- whatever happens ---

RUNS = ("a", "b", "c")
steps = st.one_of(
    st.tuples(st.just("offer"), st.sampled_from(RUNS), st.integers(1, 12), st.booleans()),
    st.tuples(st.just("drop"), st.sampled_from(RUNS)),
    st.tuples(st.just("settle"), st.integers(1, 6)),
    st.tuples(st.just("replace")),
)


@given(st.lists(steps, max_size=120))
@settings(max_examples=200)
def test_every_event_is_in_one_place_and_every_gap_of_a_run_is_marked_where_it_is(history: list[Any]) -> None:
    # Given a small queue, and what each run was told to be: its events by name, and None for each that was dropped,
    queue = SendQueue(64 * KIB, 40)
    told: dict[str, list[str | None]] = defaultdict(list)
    on_their_way: list[Record] = []
    sent: list[Record] = []
    for number, step in enumerate(history):
        match step:
            case ("offer", run, size, essential):
                accepted = queue.offer(record(run, size * KIB, essential, name=str(number)))
                told[run].append(str(number) if accepted else None)
            case ("drop", run):
                queue.drop(run.encode(), DropReason.INVALID)
                told[run].append(None)
            case ("settle", count):
                on_their_way += queue.take()
                queue.acknowledge(on_their_way[:count])
                sent += on_their_way[:count]
                del on_their_way[:count]
            case ("replace",) if on_their_way:
                refused = on_their_way.pop(0)
                if not refused.dropped_count:
                    run, name = refused.key.decode(), name_of(refused)
                    told[run][told[run].index(name)] = None
                    on_their_way.insert(0, queue.replace(refused) or refused)
                else:
                    on_their_way.insert(0, refused)
        assert balance(queue.stats()) == 0
        assert queue._buffer._bytes <= 64 * KIB
        assert queue._buffer._records <= 40
    # when all of it has arrived,
    while not queue.is_empty:
        on_their_way += queue.take()
        queue.acknowledge(on_their_way)
        sent += on_their_way
        on_their_way = []
    # then each run has its events in order, and between them markers of exactly what is missing there.
    for run in RUNS:
        assert arrived(sent, run) == gaps_joined(told[run])
    assert queue.stats().recorded == sum(queue.stats().dropped.values())
    assert balance(queue.stats()) == 0


def arrived(records: list[Record], run: str) -> list[str | int]:
    """Names, and numbers for holes."""
    own = [one for one in records if one.key.decode() == run]
    return joined([one.dropped_count or name_of(one) for one in own])


def gaps_joined(told: list[str | None]) -> list[str | int]:
    return joined([1 if name is None else name for name in told])


def joined(items: list[str | int]) -> list[str | int]:
    result: list[str | int] = []
    for item in items:
        if isinstance(item, int) and result and isinstance(result[-1], int):
            result[-1] += item
        else:
            result.append(item)
    return result
