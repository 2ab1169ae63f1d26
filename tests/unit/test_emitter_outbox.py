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
from agent_runs.emitter.records import Record
from agent_runs.emitter.send_queue import Outbox
from agent_runs.emitter.stats import DropReason, Stats
from agent_runs.emitter.watch import Watch

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
    events = [(one.key.decode(), decode_event(one.value)) for one in records if one.admits]
    return [(run, event.count, event.reason) for run, event in events if isinstance(event, EventsDropped)]


def balance(stats: Stats) -> int:
    return stats.emitted - stats.sent - stats.pending - sum(stats.dropped.values())


def test_what_is_accepted_is_pending_until_it_is_settled() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    records = [record(name=name) for name in "abc"]

    assert [outbox.offer(one) for one in records] == [True, True, True]
    assert outbox.stats() == Stats(emitted=3, sent=0, pending=3, dropped={}, recorded=0)
    assert outbox.take() == records
    assert outbox.take() == []
    assert outbox.stats().pending == 3
    outbox.settle(records[:2])
    assert outbox.stats() == Stats(emitted=3, sent=2, pending=1, dropped={}, recorded=0)
    assert not outbox.is_empty
    outbox.settle(records[2:])
    assert outbox.is_empty


def test_it_says_when_there_is_something_to_take() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    woken: list[bool] = []
    outbox.wake = lambda: woken.append(outbox.has_waiting)

    outbox.offer(record())
    outbox.take()
    outbox.drop(b"run", DropReason.INVALID)

    assert woken == [True, True]


@pytest.mark.parametrize(("most_bytes", "most_records"), [(160 * KIB, PLENTY), (PLENTY, 160)])
def test_when_it_is_full_the_newest_is_refused_and_a_part_is_kept_for_what_is_essential(
    most_bytes: int, most_records: int
) -> None:
    outbox = Outbox(most_bytes, most_records)

    assert [outbox.offer(record()) for _ in range(152)] == [True] * 150 + [False] * 2
    # Before the end of the run comes the marker of its hole; together they fill what was kept.
    assert [outbox.offer(record("other", essential=True)) for _ in range(12)] == [True] * 10 + [False] * 2
    assert outbox.stats() == Stats(emitted=164, sent=0, pending=160, dropped={"queue_full": 4}, recorded=0)


def test_a_hole_is_recorded_as_soon_as_there_is_room_once_for_many_events() -> None:
    outbox = Outbox(160 * KIB, PLENTY)
    for _ in range(155):
        outbox.offer(record())
    full = outbox.take()
    assert len(full) == 150
    assert not outbox.has_waiting

    outbox.settle(full[:1])

    recorded = outbox.take()
    assert markers(recorded) == [("run", 5, "queue_full")]
    outbox.settle([*full[1:], *recorded])
    assert outbox.stats() == Stats(emitted=155, sent=150, pending=0, dropped={"queue_full": 5}, recorded=5)
    assert outbox.is_empty


def test_many_events_that_have_no_room_are_one_hole_even_where_their_marker_has_room() -> None:
    outbox = Outbox(160 * KIB, PLENTY)
    full = [record() for _ in range(148)]
    for one in full:
        outbox.offer(one)
    for _ in range(10):
        assert outbox.offer(record(size=4 * KIB)) is False

    outbox.settle(full[:1])

    assert markers(outbox.take()) == [("run", 10, "queue_full")]


def test_markers_leave_what_is_kept_for_essential_events_alone() -> None:
    outbox = Outbox(PLENTY, 160)
    for number in range(300):
        outbox.drop(b"run-%d" % number, DropReason.INVALID)

    assert len(markers(outbox.take())) == 150
    assert [outbox.offer(record(essential=True)) for _ in range(11)] == [True] * 10 + [False]


def test_what_was_replaced_leaves_as_much_room_as_it_took() -> None:
    outbox = Outbox(160 * KIB, PLENTY)
    large = record(size=100 * KIB)
    outbox.offer(large)
    substitute = outbox.replace(large)
    assert substitute is not None
    outbox.settle([substitute])

    assert [outbox.offer(record()) for _ in range(151)] == [True] * 150 + [False]


def test_what_was_put_off_is_there_to_be_taken_and_comes_before_what_is_said_next() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    outbox._changes.postpone(outbox._accounts.offer, first := record(name="first"))

    assert outbox.has_waiting
    assert not outbox.is_empty
    outbox.offer(second := record(name="second"))
    assert outbox.take() == [first, second]


def test_a_hole_that_an_exception_left_unrecorded_is_recorded_before_the_end() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    with (
        patch.object(outbox._accounts, "_record_holes", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        outbox.drop(b"run", DropReason.INVALID)
    assert not outbox.has_waiting

    outbox.drain(monotonic() + 0.01)

    assert markers(outbox.take()) == [("run", 1, "invalid")]


def test_a_hole_is_recorded_before_the_next_event_of_its_run_even_from_the_part_that_is_kept() -> None:
    outbox = Outbox(160 * KIB, PLENTY)
    for _ in range(152):
        outbox.offer(record())

    assert outbox.offer(end := record(essential=True)) is True

    *_, last_but_one, last = outbox.take()
    assert markers([last_but_one]) == [("run", 2, "queue_full")]
    assert last is end


def test_an_event_that_has_no_room_beside_its_marker_has_none() -> None:
    outbox = Outbox(160 * KIB, PLENTY)
    for _ in range(151):
        outbox.offer(record())

    assert outbox.offer(record(size=10 * KIB, essential=True)) is False
    assert outbox.stats().dropped == {"queue_full": 2}
    assert outbox.offer(record(size=9 * KIB, essential=True)) is True


def test_each_reason_has_a_marker_of_its_own_and_a_run_that_is_none_has_no_marker() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    for key, reason in [(b"a", DropReason.INVALID), (b"a", DropReason.TOO_LARGE), (None, DropReason.INVALID)]:
        outbox.drop(key, reason)

    assert markers(outbox.take()) == [("a", 1, "invalid"), ("a", 1, "too_large")]
    assert outbox.stats().dropped == {"invalid": 2, "too_large": 1}
    assert outbox.stats().emitted == 3


def test_of_more_runs_than_are_remembered_the_holes_are_counted_all_the_same() -> None:
    outbox = Outbox(160 * KIB, PLENTY)
    for _ in range(150):
        outbox.offer(record())
    full = outbox.take()
    for number in range(10_050):
        outbox.offer(record(f"run-{number}"))

    for _ in range(200):
        outbox.settle(full)
        full = outbox.take()

    assert outbox.is_empty
    assert outbox.stats().dropped == {"queue_full": 10_050}
    assert outbox.stats().recorded == 10_000


def test_what_kafka_will_not_take_is_replaced_by_its_marker() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    outbox.offer(large := record(size=99 * KIB, name="too large"))
    outbox.offer(small := record())
    outbox.take()

    substitute = outbox.replace(large)

    assert substitute is not None
    # It has the event's id: what came later may name that as its parent.
    assert markers([substitute]) == [("run", 1, "too_large")]
    assert name_of(substitute) == "too large"
    assert outbox.stats() == Stats(emitted=2, sent=0, pending=1, dropped={"too_large": 1}, recorded=0)
    outbox.settle([substitute, small])
    assert outbox.stats() == Stats(emitted=2, sent=1, pending=0, dropped={"too_large": 1}, recorded=1)
    assert outbox.is_empty


def test_a_marker_that_kafka_will_not_take_has_no_substitute() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    outbox.drop(b"run", DropReason.INVALID)
    (refused,) = outbox.take()

    assert outbox.replace(refused) is None
    assert outbox.is_empty
    assert outbox.stats() == Stats(emitted=1, sent=0, pending=0, dropped={"invalid": 1}, recorded=0)


def test_a_closed_one_refuses_everything_and_keeps_what_it_has() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    outbox.offer(kept := record())
    outbox.close()

    assert outbox.offer(record(essential=True)) is False
    assert outbox.refuses is DropReason.CLOSED
    assert outbox.take() == [kept]
    assert outbox.stats() == Stats(emitted=2, sent=0, pending=1, dropped={"closed": 1}, recorded=0)


def test_one_that_nothing_is_configured_for_says_so_even_when_closed() -> None:
    outbox = Outbox(PLENTY, PLENTY, refuses=DropReason.NOT_CONFIGURED)
    outbox.offer(record())
    outbox.close()
    outbox.offer(record())

    assert outbox.stats().dropped == {"not_configured": 2}
    assert outbox.is_empty


# --- waiting ---


def test_a_flush_waits_for_what_came_before_it_and_not_for_what_comes_after() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    before, after = [record(), record()], record()
    for one in before:
        outbox.offer(one)
    watch = outbox._accounts.watch()
    outbox.offer(after)

    outbox.settle([before[0], after])
    assert watch.events == 1
    outbox.settle([before[1]])
    assert watch.events == 0


def test_a_flush_ends_when_the_last_of_its_records_is_settled() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    records = [record() for _ in range(3)]
    for one in records:
        outbox.offer(one)
    began = monotonic()
    thread = Thread(target=outbox.settle, args=(records,))
    thread.start()

    assert outbox.flush(began + 10) == 0
    assert monotonic() < began + 5
    thread.join()


def test_a_flush_returns_at_its_deadline_with_what_is_left() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    for _ in range(3):
        outbox.offer(record())
    began = monotonic()

    assert outbox.flush(began + 0.1) == 3
    assert 0.1 <= monotonic() - began < 2
    assert outbox.flush(began - 1) == 3
    # Nobody waits any more, and nothing is left of it.
    assert outbox._accounts._watches == []


def test_a_flush_without_an_end_ends_with_its_records() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    outbox.offer(one := record())
    thread = Thread(target=outbox.settle, args=([one],))
    thread.start()

    assert outbox.flush(math.inf) == 0
    thread.join()


def test_who_waits_for_a_refused_record_waits_for_its_marker() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    outbox.offer(large := record(size=9 * KIB))
    watch = outbox._accounts.watch()
    substitute = outbox.replace(large)

    assert substitute is not None
    assert (watch.events, watch._ended.is_set()) == (0, False)
    outbox.settle([substitute])
    assert watch._ended.is_set()


def test_who_waits_for_a_marker_that_kafka_will_not_take_waits_no_longer() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    outbox.drop(b"run", DropReason.INVALID)
    waiting = Thread(target=outbox.flush, args=(monotonic() + 60,))
    waiting.start()
    (one,) = outbox.take()
    while not outbox._accounts._watches:
        sleep(0.001)

    assert outbox.replace(one) is None

    waiting.join(30)
    assert not waiting.is_alive()


def test_what_is_replaced_later_is_not_waited_for() -> None:
    watch = Watch(last_ordinal=1, records=1, events=1)
    later = record()
    later.ordinal = 2

    watch.replace(later)

    assert watch.events == 1


def test_who_carries_must_not_wait_for_itself() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    outbox.carried_by_this_thread()
    outbox.offer(record())
    began = monotonic()

    assert outbox.flush(began + 60) == 1
    assert outbox.drain(began + 60) == 1
    assert monotonic() < began + 10


def test_a_drained_one_has_no_hole_that_its_run_does_not_know_of() -> None:
    outbox = Outbox(160 * KIB, PLENTY)
    for _ in range(155):
        outbox.offer(record())

    def carry() -> None:
        while not outbox.is_empty:
            outbox.settle(outbox.take())

    thread = Thread(target=carry)
    thread.start()
    assert outbox.drain(monotonic() + 10) == 0
    thread.join()
    assert outbox.stats() == Stats(emitted=155, sent=150, pending=0, dropped={"queue_full": 5}, recorded=5)


def test_what_is_given_up_is_dropped_and_whoever_waited_for_it_goes_on() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    outbox.drop(b"run", DropReason.INVALID)
    records = [record(), record(), record()]
    for one in records:
        outbox.offer(one)
    taken: list[Record] = []
    carrier = Thread(target=lambda: taken.extend(outbox.take()))
    carrier.start()
    carrier.join()
    outbox.settle(taken[1:2])
    waiting = Thread(target=outbox.flush, args=(monotonic() + 60,))
    waiting.start()
    outbox.close()

    assert outbox.give_up() == 2
    waiting.join(10)
    assert not waiting.is_alive()
    # What the carrier still learns changes nothing.
    outbox.settle(taken[2:3])
    assert outbox.replace(taken[3]) is None
    assert outbox.stats() == Stats(emitted=4, sent=1, pending=0, dropped={"invalid": 1, "given_up": 2}, recorded=0)
    assert outbox.is_empty
    assert outbox.give_up() == 0


# --- interrupted ---


def test_what_is_emitted_in_the_middle_of_a_change_is_put_off_until_the_change_is_complete() -> None:
    # Given a change that a finaliser interrupts, which emits,
    outbox = Outbox(PLENTY, PLENTY)
    interrupting = record("finalised")
    answers: list[bool | None] = []

    def interrupted(size: int, records: int, *, essential: bool) -> bool:
        if not answers:
            answers.append(outbox.offer(interrupting))
        return True

    outbox._accounts._has_room = interrupted  # type: ignore[method-assign]
    # when the change is over,
    assert outbox.offer(first := record()) is True
    # then the finaliser was not told yet what became of its event, and it is there, behind.
    assert answers == [None]
    assert outbox.take() == [first, interrupting]
    assert outbox.stats() == Stats(emitted=2, sent=0, pending=2, dropped={}, recorded=0)


def held(outbox: Outbox) -> tuple[Thread, Event]:
    """Another thread in the middle of a change, until it is told to go on: a finaliser waits there for something."""
    within, go_on = Event(), Event()

    def change() -> None:
        within.set()
        go_on.wait(60)

    thread = Thread(target=outbox._changes.make, args=(change,))
    thread.start()
    assert within.wait(10)
    return thread, go_on


def test_an_agent_does_not_wait_for_a_change_that_does_not_end() -> None:
    # Given a thread that stands still in the middle of a change,
    outbox = Outbox(PLENTY, PLENTY)
    thread, go_on = held(outbox)
    # when agents emit, and look,
    began = monotonic()
    said = [record(name=str(number)) for number in range(5)]
    assert [outbox.offer(one) for one in said] == [None] * 5
    outbox.drop(b"run", DropReason.INVALID)
    assert outbox.flush(monotonic() + 0.1) == 0
    assert outbox.stats().emitted == 0
    assert monotonic() - began < 5
    assert not outbox.is_empty
    # then all of it is there once it goes on, in order and before what comes later.
    go_on.set()
    thread.join()
    outbox.offer(record(name="later"))
    taken = outbox.take()
    assert [name_of(one) for one in taken if not one.admits] == ["0", "1", "2", "3", "4", "later"]
    assert markers(taken[5:6]) == [("run", 1, "invalid")]
    assert outbox.stats().emitted == 7


def test_what_comes_during_a_change_that_does_not_end_is_bounded_too() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    thread, go_on = held(outbox)
    with patch("agent_runs.emitter.send_queue._PATIENCE_S", 0.0):
        for number in range(1_100):
            outbox.offer(record(name=str(number)))
    go_on.set()
    thread.join()

    assert len([one for one in outbox.take() if not one.admits]) == 1_000
    assert outbox.stats().dropped == {"queue_full": 100}
    assert outbox.stats().emitted == 1_100


class Struck:
    """The lock of an outbox, and a signal that strikes whenever it is just taken."""

    def __init__(self, outbox: Outbox, strike: Callable[[], None]) -> None:
        self._lock = outbox._changes._lock
        self._strike = strike
        outbox._changes._lock = self  # type: ignore[assignment]

    def acquire(self, timeout: float) -> bool:
        taken = self._lock.acquire(timeout=timeout)
        self._strike()
        return taken

    def release(self) -> None:
        self._lock.release()


def test_who_interrupts_a_thread_that_has_just_taken_the_lock_does_not_wait_for_it() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    waited: list[float] = []

    def strike() -> None:
        if waited:
            return
        began = monotonic()
        assert outbox.offer(record()) is None
        outbox.drain(began + 5)
        waited.append(monotonic() - began)

    Struck(outbox, strike)
    assert outbox.offer(record()) is True
    assert waited[0] < 1
    assert len(outbox.take()) == 2


def test_an_exception_out_of_a_signal_handler_leaves_the_lock_free() -> None:
    outbox = Outbox(PLENTY, PLENTY)
    alarms = [KeyboardInterrupt()]

    def strike() -> None:
        if alarms:
            raise alarms.pop()

    Struck(outbox, strike)
    with pytest.raises(KeyboardInterrupt):
        outbox.offer(record())
    # This thread and others go on.
    other = Thread(target=outbox.offer, args=(record(),))
    other.start()
    other.join()
    assert outbox.offer(record()) is True
    assert len(outbox.take()) == 2


def test_exceptions_from_everywhere_leave_the_counts_right() -> None:
    # Given a signal handler that raises, wherever it strikes,
    outbox = Outbox(PLENTY, PLENTY)
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
                    outbox.offer(record())
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    # then what is counted as pending is what is there.
    assert interrupted > 1_000
    assert outbox.stats().pending == len(outbox.take())
    assert balance(outbox.stats()) == 0


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
    outbox = Outbox(64 * KIB, 40)
    told: dict[str, list[str | None]] = defaultdict(list)
    on_their_way: list[Record] = []
    sent: list[Record] = []
    for number, step in enumerate(history):
        match step:
            case ("offer", run, size, essential):
                accepted = outbox.offer(record(run, size * KIB, essential, name=str(number)))
                told[run].append(str(number) if accepted else None)
            case ("drop", run):
                outbox.drop(run.encode(), DropReason.INVALID)
                told[run].append(None)
            case ("settle", count):
                on_their_way += outbox.take()
                outbox.settle(on_their_way[:count])
                sent += on_their_way[:count]
                del on_their_way[:count]
            case ("replace",) if on_their_way:
                refused = on_their_way.pop(0)
                if not refused.admits:
                    run, name = refused.key.decode(), name_of(refused)
                    told[run][told[run].index(name)] = None
                    on_their_way.insert(0, outbox.replace(refused) or refused)
                else:
                    on_their_way.insert(0, refused)
        assert balance(outbox.stats()) == 0
        assert outbox._accounts._bytes <= 64 * KIB
        assert outbox._accounts._records <= 40
    # when all of it has arrived,
    while not outbox.is_empty:
        on_their_way += outbox.take()
        outbox.settle(on_their_way)
        sent += on_their_way
        on_their_way = []
    # then each run has its events in order, and between them markers of exactly what is missing there.
    for run in RUNS:
        assert arrived(sent, run) == gaps_joined(told[run])
    assert outbox.stats().recorded == sum(outbox.stats().dropped.values())
    assert balance(outbox.stats()) == 0


def arrived(records: list[Record], run: str) -> list[str | int]:
    """Names, and numbers for holes."""
    own = [one for one in records if one.key.decode() == run]
    return joined([one.admits or name_of(one) for one in own])


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
