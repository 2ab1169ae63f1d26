"""Whether all is well, as an operator is told."""

from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumer.errors import StaleOffsets
from consumer.model.batches import Slice, Stored
from consumer.model.claims import Claim
from consumer.telemetry import observer as observe
from consumer.telemetry.observer import Observer
from tests.support.builders import event, rejection

STALL_S = 60.0
WATCH_INTERVAL_S = 10.0


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(observe, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def observer(clock: Clock) -> Observer:
    return Observer(STALL_S, WATCH_INTERVAL_S)


def ready(partition: int = 0, stored: int = 0, end: int = 0) -> Claim:
    claim = Claim(partition)
    claim.begin(stored, None)
    claim.report_end_offset(end)
    return claim


def metric(observer: Observer, name: str, **labels: Any) -> float | None:
    return observer.registry.get_sample_value(name, {key: str(value) for key, value in labels.items()})


def test_in_the_beginning_all_is_well(observer: Observer) -> None:
    assert observer.problems() == []


def test_a_broker_that_says_nothing_is_a_problem_also_where_nothing_is_known_to_be_left(
    observer: Observer, clock: Clock
) -> None:
    # Given a partition that was stored to its end, as far as the broker has said,
    claim = ready(partition=4, stored=10, end=10)
    observer.beat([claim])
    # when it says nothing more for longer than a partition may stand still, and that is asked for,
    clock.now += STALL_S + WATCH_INTERVAL_S
    observer.beat([claim])
    assert observer.problems() == []
    clock.now += 0.1
    observer.beat([claim])
    # then that is a problem, until it answers.
    assert observer.problems() == ["Kafka has not said for 70 s where partitions [4] end"]
    claim.report_end_offset(claim.end_offset)
    observer.beat([claim])
    assert observer.problems() == []


def test_a_loop_that_does_not_come_round_is_a_problem(observer: Observer, clock: Clock) -> None:
    clock.now += STALL_S
    assert observer.problems() == []
    clock.now += 0.1
    assert observer.problems() == ["the loop has not come round for 60 s"]
    observer.beat([])
    assert observer.problems() == []


def test_a_halted_partition_is_a_problem_that_says_why(observer: Observer, clock: Clock) -> None:
    claim, other = ready(3, end=10), ready(4)
    claim.halt("the log is gone")
    observer.beat([claim, other])

    assert observer.halted() == {3: "the log is gone"}
    assert observer.problems() == ["partition 3 is halted: the log is gone"]

    clock.now += STALL_S + 1  # it stands still, and that is said already
    observer.beat([claim, other])
    assert observer.problems() == ["partition 3 is halted: the log is gone"]


def test_lag_without_progress_is_a_problem_until_something_is_stored(observer: Observer, clock: Clock) -> None:
    claim, other = ready(0, end=10), ready(1, end=10)
    observer.beat([claim, other])
    clock.now += STALL_S
    other.stored(5, None)
    observer.beat([claim, other])
    assert observer.problems() == []

    clock.now += 0.1
    observer.beat([claim, other])
    assert observer.stalled() == [claim]
    assert observer.problems() == ["partition 0 stands still, with a lag of 10"]

    claim.stored(1, None)
    observer.beat([claim, other])
    assert observer.problems() == []


def test_without_lag_standing_still_is_no_problem(observer: Observer, clock: Clock) -> None:
    claim = ready(0, stored=10, end=10)
    for _ in range(3):
        claim.report_end_offset(claim.end_offset)
        observer.beat([claim])
        clock.now += STALL_S - 1
    assert observer.stalled() == []

    claim.report_end_offset(11)  # new records come after a quiet hour: the time counts from here
    observer.beat([claim])
    assert observer.problems() == []


def test_a_partition_that_is_not_ours_any_more_is_forgotten(observer: Observer, clock: Clock) -> None:
    claim = ready(0, end=10)
    observer.beat([claim])
    claim.halt("gone")
    clock.now += STALL_S + 1
    observer.beat([])

    assert observer.problems() == []
    assert observer.halted() == {}


def test_lag_and_halted_partitions_are_gauges(observer: Observer, clock: Clock) -> None:
    healthy, halted = ready(0, stored=3, end=10), ready(1)
    halted.halt("gone")
    clock.now += 10
    observer.beat([healthy, halted])

    assert metric(observer, "agent_runs_lag_records", partition=0) == 7
    assert metric(observer, "agent_runs_halted", partition=0) == 0
    assert metric(observer, "agent_runs_halted", partition=1) == 1

    clock.now += 10
    observer.beat([healthy])
    assert metric(observer, "agent_runs_halted", partition=1) is None
    assert metric(observer, "agent_runs_lag_records", partition=1) is None


def test_what_was_stored_is_counted(observer: Observer) -> None:
    batch = [Slice.of(ready(), 0, 4, [event(offset=offset) for offset in range(4)])]
    observer.stored(batch, Stored(events=2, new_dead_letters=[rejection(), rejection(offset=1)], repeats=1))

    assert metric(observer, "agent_runs_events_stored_total") == 2
    assert metric(observer, "agent_runs_repeats_total") == 1
    assert metric(observer, "agent_runs_dead_letters_total", reason="not_json") == 2
    assert metric(observer, "agent_runs_batch_records_sum") == 4


def test_every_letter_is_counted_however_many_are_logged(observer: Observer) -> None:
    letters = [rejection(offset=offset) for offset in range(100)]
    observer.stored([Slice.of(ready(), 0, 100, letters)], Stored(0, letters, 0))

    assert metric(observer, "agent_runs_dead_letters_total", reason="not_json") == 100


@pytest.mark.parametrize(("count", "actions"), [(5, ["dead_letter"] * 5), (9, ["dead_letter"] * 5 + ["dead_letters"])])
def test_a_few_letters_of_a_batch_are_logged_and_the_others_said(
    observer: Observer, count: int, actions: list[str]
) -> None:
    letters = [rejection(offset=offset) for offset in range(count)]
    with capture_logs() as lines:
        observer.stored([Slice.of(ready(), 0, count, letters)], Stored(0, letters, 0))

    assert [line["action"] for line in lines] == actions
    assert lines[0]["offset"] == 0
    assert lines[-1].get("more", 4) == 4


def test_a_halt_is_logged_once_until_the_partition_was_well_again(observer: Observer) -> None:
    halted, well = ready(0), ready(0)
    halted.halt("the log is gone")
    with capture_logs() as lines:
        for claim in (well, halted, halted, well, halted):
            observer.beat([claim])

    assert [(line["action"], line["reason"]) for line in lines] == [("halted", "the log is gone")] * 2


def test_failures_are_counted_by_their_kind(observer: Observer) -> None:
    observer.failed(StaleOffsets("moved"))

    assert metric(observer, "agent_runs_batch_failures_total", error="StaleOffsets") == 1
