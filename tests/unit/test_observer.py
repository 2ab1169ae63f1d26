"""Metrics, health and log lines of the Observer."""

from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumer.errors import StaleOffsets
from consumer.model.batches import NewDeadLetter, Slice, Stored
from consumer.model.claims import Claim
from consumer.model.members import Member
from consumer.model.topic_status import OpenTransaction, TopicStatus, WatchedPartition
from consumer.telemetry import state, topic_state, transaction_lines
from consumer.telemetry.observer import Observer
from tests.support.builders import event, rejection

STALL_S = 60.0
WATCH_INTERVAL_S = 10.0


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (state, topic_state, transaction_lines):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic, time=clock.time))
    return clock


@pytest.fixture
def observer(clock: Clock) -> Observer:
    return Observer(STALL_S, WATCH_INTERVAL_S)


def ready(partition: int = 0, stored: int = 0, end: int = 0) -> Claim:
    claim = Claim(partition)
    claim.begin(stored, None)
    claim.report_end_offset(end)
    return claim


def letter(offset: int = 0) -> NewDeadLetter:
    return NewDeadLetter(100 + offset, rejection(offset=offset))


def metric(observer: Observer, name: str, **labels: Any) -> float | None:
    return observer.registry.get_sample_value(name, {key: str(value) for key, value in labels.items()})


def test_a_new_observer_has_no_problems(observer: Observer) -> None:
    assert observer.problems() == []


def test_end_offsets_that_are_not_reported_are_a_problem_also_at_lag_0(observer: Observer, clock: Clock) -> None:
    # Given a partition that is stored to its last known end offset,
    claim = ready(partition=4, stored=10, end=10)
    observer.on_loop([claim])
    # when Kafka reports no end offset for longer than the stall time and the watch interval,
    clock.now += STALL_S + WATCH_INTERVAL_S
    observer.on_loop([claim])
    assert observer.problems() == []
    clock.now += 0.1
    observer.on_loop([claim])
    # then that is a problem until the next report.
    assert observer.problems() == ["Kafka has not reported the end offsets of partitions [4] for 70 s"]
    claim.report_end_offset(claim.end_offset)
    observer.on_loop([claim])
    assert observer.problems() == []


def test_a_consume_loop_that_does_not_run_is_a_problem(observer: Observer, clock: Clock) -> None:
    clock.now += STALL_S
    assert observer.problems() == []
    clock.now += 0.1
    assert observer.problems() == ["the consume loop has not run for 60 s"]
    observer.on_loop([])
    assert observer.problems() == []


def test_a_halted_partition_is_a_problem_with_its_reason(observer: Observer, clock: Clock) -> None:
    claim, other = ready(3, end=10), ready(4)
    claim.halt("the log is gone")
    observer.on_loop([claim, other])

    assert observer.halted() == {3: "the log is gone"}
    assert observer.problems() == ["partition 3 is halted: the log is gone"]

    clock.now += STALL_S + 1  # it makes no progress either, which is not a second problem
    observer.on_loop([claim, other])
    assert observer.problems() == ["partition 3 is halted: the log is gone"]


def test_lag_without_progress_is_a_problem_until_something_is_stored(observer: Observer, clock: Clock) -> None:
    claim, other = ready(0, end=10), ready(1, end=10)
    observer.on_loop([claim, other])
    clock.now += STALL_S
    other.stored(5, None)
    observer.on_loop([claim, other])
    assert observer.problems() == []

    clock.now += 0.1
    observer.on_loop([claim, other])
    assert observer.problems() == ["partition 0 has made no progress for 60 s: lag 10"]

    claim.stored(1, None)
    observer.on_loop([claim, other])
    assert observer.problems() == []


def test_no_progress_without_lag_is_not_a_problem(observer: Observer, clock: Clock) -> None:
    claim = ready(0, stored=10, end=10)
    for _ in range(3):
        claim.report_end_offset(claim.end_offset)
        observer.on_loop([claim])
        clock.now += STALL_S - 1
    assert observer.problems() == []

    claim.report_end_offset(11)  # new records after an hour without any: the stall time counts from here
    observer.on_loop([claim])
    assert observer.problems() == []


def test_a_partition_that_is_no_longer_assigned_is_forgotten(observer: Observer, clock: Clock) -> None:
    claim = ready(0, end=10)
    observer.on_loop([claim])
    claim.halt("gone")
    clock.now += STALL_S + 1
    observer.on_loop([])

    assert observer.problems() == []
    assert observer.halted() == {}


def test_lag_and_halted_partitions_are_gauges(observer: Observer, clock: Clock) -> None:
    healthy, halted = ready(0, stored=3, end=10), ready(1)
    halted.halt("gone")
    clock.now += 10
    observer.on_loop([healthy, halted])

    assert metric(observer, "agent_runs_lag_records", partition=0) == 7
    assert metric(observer, "agent_runs_halted", partition=0) == 0
    assert metric(observer, "agent_runs_halted", partition=1) == 1

    clock.now += 10
    observer.on_loop([healthy])
    assert metric(observer, "agent_runs_halted", partition=1) is None
    assert metric(observer, "agent_runs_lag_records", partition=1) is None


def test_events_repeats_and_rejections_are_counted(observer: Observer) -> None:
    batch = [Slice.of(ready(), 0, 4, [event(offset=offset) for offset in range(4)])]
    observer.stored(batch, Stored(events=2, new_dead_letters=[letter(), letter(1)], repeats=1))

    assert metric(observer, "agent_runs_events_stored_total") == 2
    assert metric(observer, "agent_runs_repeats_total") == 1
    assert metric(observer, "agent_runs_dead_letters_total", reason="not_json") == 2
    assert metric(observer, "agent_runs_batch_records_sum") == 4


def test_every_rejection_is_counted_however_many_are_logged(observer: Observer) -> None:
    letters = [letter(offset) for offset in range(100)]
    observer.stored([Slice.of(ready(), 0, 100, [each.rejection for each in letters])], Stored(0, letters, 0))

    assert metric(observer, "agent_runs_dead_letters_total", reason="not_json") == 100


@pytest.mark.parametrize(("count", "actions"), [(5, ["dead_letter"] * 5), (9, ["dead_letter"] * 5 + ["dead_letters"])])
def test_the_first_rejections_of_a_batch_are_logged_and_the_number_of_the_others(
    observer: Observer, count: int, actions: list[str]
) -> None:
    letters = [letter(offset) for offset in range(count)]
    rejections = [each.rejection for each in letters]
    with capture_logs() as lines:
        observer.stored([Slice.of(ready(), 0, count, rejections)], Stored(0, letters, 0))

    assert [line["action"] for line in lines] == actions
    assert [(line["id"], line["offset"]) for line in lines[:2]] == [(100, 0), (101, 1)]
    assert lines[-1].get("more", 4) == 4


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (None, None),
        (b"run\x1b\xff", "run\x1b\\xff"),
        ("ä".encode() * 101, "ä" * 100 + "…"),
        (b"k" * 100, "k" * 100),
        ("🦜".encode() * 101, "🦜" * 100 + "…"),
    ],
)
def test_the_line_of_a_refused_record_has_the_beginning_of_its_key(
    observer: Observer, key: bytes | None, shown: str | None
) -> None:
    refused = letter()
    refused.rejection.record.key = key
    with capture_logs() as lines:
        observer.stored([Slice.of(ready(), 0, 1, [refused.rejection])], Stored(0, [refused], 0))

    assert lines[0]["key"] == shown


def test_a_halt_and_its_end_are_logged_once(observer: Observer) -> None:
    halted, well = ready(0), ready(0)
    halted.halt("the log is gone")
    with capture_logs() as lines:
        for claim in (well, halted, halted, well, halted):
            observer.on_loop([claim])

    assert [line["action"] for line in lines] == ["halted", "continued", "halted"]
    assert {line["reason"] for line in lines} == {"the log is gone"}
    assert "after_s" in lines[1]


def test_a_halted_partition_that_is_tried_again_continues_only_with_progress(observer: Observer) -> None:
    halted, again = ready(0, stored=7, end=9), ready(0, stored=7, end=9)
    halted.halt("unreadable")
    with capture_logs() as lines:
        for claim in (halted, Claim(0), again, halted):  # tried again, and halted for the same reason
            observer.on_loop([claim])
        assert [line["action"] for line in lines] == ["halted"]
        again.stored(8, None)
        observer.on_loop([again])

    assert [line["action"] for line in lines] == ["halted", "continued"]


def test_a_halt_for_another_reason_is_logged_again_and_one_of_another_consumer_ends(observer: Observer) -> None:
    halted, other = ready(0, end=9), ready(0, end=9)
    halted.halt("one")
    other.halt("another")
    with capture_logs() as lines:
        for claims in ([halted], [other], [], []):
            observer.on_loop(claims)

    assert [(line["action"], line["reason"]) for line in lines] == [
        ("halted", "one"),
        ("halted", "another"),
        ("unassigned", "another"),
    ]


def test_the_replacement_of_a_client_is_logged_when_the_group_has_the_new_one(observer: Observer, clock: Clock) -> None:
    with capture_logs() as lines:
        observer.on_loop([])
        observer.broken("nothing was fetched", 0.5)
        clock.now += 4.0
        observer.on_loop([], is_member=False)
        observer.on_loop([])
        observer.on_loop([])

    assert [line["action"] for line in lines] == ["source_broken", "source_replaced"]
    assert lines[1]["after_s"] == 4.0


def test_failures_are_counted_by_error(observer: Observer) -> None:
    observer.failed(StaleOffsets("moved"))

    assert metric(observer, "agent_runs_batch_failures_total", error="StaleOffsets") == 1


def test_a_blocked_event_loop_makes_the_process_not_live(observer: Observer, clock: Clock) -> None:
    clock.now += STALL_S
    observer.on_event_loop()
    clock.now += STALL_S
    assert observer.live_problems() == []
    clock.now += 1
    assert observer.live_problems() == ["the event loop has been blocked for 61 s: restart this process"]
    assert observer.live_problems()[0] in observer.ready_problems()
    observer.on_event_loop()
    assert observer.live_problems() == []


def test_a_consumer_is_ready_once_it_is_a_member_and_its_partitions_are_started(observer: Observer) -> None:
    assert observer.ready_problems() == ["this consumer is not a member of its group"]
    observer.on_loop([], is_member=False)
    assert observer.ready_problems() == ["this consumer is not a member of its group"]
    observer.on_loop([ready(0), Claim(1)])
    assert observer.ready_problems() == ["partitions [1] are assigned and not started yet"]
    observer.on_loop([ready(0), ready(1)])
    assert observer.ready_problems() == []


def test_a_consumer_that_has_left_its_group_or_is_refused_is_not_ready(observer: Observer) -> None:
    observer.on_loop([])
    observer.left()
    assert observer.ready_problems() == ["this consumer is not a member of its group"]
    observer.refused("grant READ")
    assert observer.ready_problems() == ["grant READ"]
    observer.on_loop([])
    assert observer.ready_problems() == []


def test_a_partition_without_progress_makes_a_consumer_not_ready_and_a_halted_one_does_not(
    observer: Observer, clock: Clock
) -> None:
    stalled, halted = ready(0, end=10), ready(1, end=10)
    halted.halt("the log is gone")
    observer.on_loop([stalled, halted])
    assert observer.ready_problems() == []
    clock.now += STALL_S + 1
    observer.on_loop([stalled, halted])
    assert observer.ready_problems() == ["partition 0 has made no progress for 60 s: lag 10"]
    assert observer.live_problems() == []


def member(*partitions: int, is_consumer: bool = True) -> Member:
    return Member("id", "reports", "10.0.0.7", frozenset(partitions), is_consumer)


def test_a_group_whose_consumers_have_no_partition_is_a_problem_after_some_time(
    observer: Observer, clock: Clock
) -> None:
    # Given a consumer that is a member without a partition, and another one that has some,
    observer.on_loop([])
    observer.on_group([member(), member(0, 1)])
    # when nobody has a partition any more,
    clock.now += STALL_S + 1
    observer.on_loop([])
    observer.on_group([member(), member(0, 1)])
    assert observer.problems() == []
    observer.on_group([member(), member()])
    assert observer.problems() == []
    # then that is a problem after the time of a stall, until somebody has one.
    clock.now += STALL_S + 1
    observer.on_loop([])
    observer.on_group([member(), member()])
    assert observer.problems() == ["no consumer of this group has had a partition for 60 s"]
    observer.on_group([member(), member(0)])
    assert observer.problems() == []


def test_an_application_without_a_partition_of_the_topic_is_not_a_problem(observer: Observer) -> None:
    observer.on_group([member(0), member(is_consumer=False)])

    assert observer.problems() == []


OWNER = Member("member-1", "agent-runs-consumer", "10.0.0.7", frozenset({0, 1, 2}), is_consumer=True)
OPEN_TRANSACTION_S = 10.0


def status(clock: Clock, *partitions: WatchedPartition, owners_known: bool = True) -> TopicStatus:
    return TopicStatus(int(clock.now * 1000), partitions, owners_known, open_dead_letters=3, oldest_dead_letter_s=42.5)


def behind(partition: int, clock: Clock, owner: Member | None = OWNER, age_s: float = 30.0) -> WatchedPartition:
    """A partition with a lag of 7, whose oldest record that is not stored has this age."""
    return WatchedPartition(partition, 3, 10, int((clock.now - age_s) * 1000), owner)


def test_the_lag_of_partitions_that_others_own_is_reported(observer: Observer, clock: Clock) -> None:
    observer.on_loop([ready(0, stored=5, end=6)])
    observer.on_topic(status(clock, behind(0, clock), behind(1, clock), WatchedPartition(2, 10, 10, None, OWNER)))

    # Its own offset is newer than that of the reading.
    assert [metric(observer, "agent_runs_lag_records", partition=number) for number in range(3)] == [5, 7, 0]
    assert [metric(observer, "agent_runs_lag_seconds", partition=number) for number in range(3)] == [30, 30, 0]
    observer.on_loop([ready(0, stored=10, end=10)])
    assert metric(observer, "agent_runs_lag_records", partition=0) == 0
    assert metric(observer, "agent_runs_lag_seconds", partition=0) == 0


def test_the_age_of_the_lag_grows_only_while_the_topic_cannot_be_read(observer: Observer, clock: Clock) -> None:
    observer.on_topic(status(clock, behind(1, clock)))
    clock.now += 5
    assert metric(observer, "agent_runs_lag_seconds", partition=1) == 30
    observer.on_topic(None)
    assert metric(observer, "agent_runs_lag_seconds", partition=1) == 35
    assert metric(observer, "agent_runs_lag_records", partition=1) == 7


def test_an_age_that_is_not_known_has_no_series(observer: Observer, clock: Clock) -> None:
    observer.on_topic(status(clock, WatchedPartition(1, 3, 10)))

    assert metric(observer, "agent_runs_lag_seconds", partition=1) is None
    assert metric(observer, "agent_runs_lag_records", partition=1) == 7


def test_open_dead_letters_and_the_age_of_the_oldest_are_gauges(observer: Observer, clock: Clock) -> None:
    assert metric(observer, "agent_runs_open_dead_letters") is None
    observer.on_topic(status(clock))

    assert metric(observer, "agent_runs_open_dead_letters") == 3
    assert metric(observer, "agent_runs_oldest_open_dead_letter_seconds") == 42.5


def test_a_partition_without_an_owner_is_a_problem_if_two_readings_show_it_and_it_has_a_lag(
    observer: Observer, clock: Clock
) -> None:
    unowned = status(clock, behind(0, clock, owner=None), behind(1, clock), WatchedPartition(2, 3, 3))
    observer.on_topic(unowned)
    assert [metric(observer, "agent_runs_unowned", partition=number) for number in range(3)] == [1, 0, 1]
    assert observer.problems() == []
    observer.on_topic(unowned)
    assert observer.problems() == [
        "no member of the group owns partition 0, which has a lag of 7: start more consumers"
    ]
    observer.on_loop([ready(0, stored=3, end=10)])  # this process has it now
    assert observer.problems() == []
    assert metric(observer, "agent_runs_unowned", partition=0) == 0


def test_while_the_owners_are_not_known_no_partition_is_called_unowned(observer: Observer, clock: Clock) -> None:
    for _ in range(2):
        observer.on_topic(status(clock, behind(0, clock, owner=None), owners_known=False))

    assert metric(observer, "agent_runs_unowned", partition=0) is None
    assert observer.problems() == []


def test_a_transaction_that_stays_open_is_a_problem_and_is_logged_with_its_producer_until_it_is_over(
    observer: Observer, clock: Clock
) -> None:
    transaction = OpenTransaction(3, 7, 0, "billing", begun_ms=int(clock.now * 1000))
    blocked = WatchedPartition(1, 3, 10, int(clock.now * 1000), OWNER, transaction)
    with capture_logs() as lines:
        for _ in range(3):
            clock.now += OPEN_TRANSACTION_S / 2
            observer.on_topic(status(clock, blocked))
        assert observer.problems() == [
            "partition 1: a transaction of producer 7 with transactional.id 'billing', epoch 0, open for 15 s, blocks "
            "the records from offset 3 on: end it, or stop its producer"
        ]
        assert metric(observer, "agent_runs_open_transaction_seconds", partition=1) == 15
        clock.now += 5
        observer.on_topic(status(clock, behind(1, clock)))
    assert observer.problems() == []
    assert metric(observer, "agent_runs_open_transaction_seconds", partition=1) == 0
    assert [(line["action"], line["partition"], line["offset"]) for line in lines] == [
        ("transaction_open", 1, 3),
        ("transaction_over", 1, 3),
    ]
    assert (lines[0]["open_s"], lines[1]["after_s"]) == (10, 20)


def test_a_transaction_behind_which_this_process_has_stored_records_is_over(observer: Observer, clock: Clock) -> None:
    transaction = OpenTransaction(3, begun_ms=int((clock.now - 60) * 1000))
    observer.on_topic(status(clock, WatchedPartition(1, 3, 10, None, OWNER, transaction)))
    assert "a producer that Kafka does not name" in observer.problems()[0]
    observer.on_loop([ready(1, stored=4, end=10)])
    assert observer.problems() == []
