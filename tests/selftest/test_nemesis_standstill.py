"""The nemesis measures how long a partition stands still, and during which faults."""

from types import SimpleNamespace
from typing import cast

from tests.nemesis.environment import Endpoints
from tests.nemesis.standstill import NO_FAULT, SEVERAL_FAULTS, Interval, PartitionProgress, Standstills


def test_a_partition_stands_still_from_the_sample_that_showed_a_new_record_until_its_offset_moves() -> None:
    partition = PartitionProgress()

    assert partition.observe(10, 10, now=1.0) is None
    assert partition.observe(12, 10, now=2.0) is None
    assert partition.observe(15, 10, now=3.0) is None
    assert partition.observe(15, 11, now=4.0) == Interval(2.0, 4.0)
    assert partition.observe(15, 15, now=9.0) == Interval(4.0, 9.0)
    assert partition.observe(15, 15, now=10.0) is None
    assert partition.observe(16, 16, now=11.0) is None


def test_a_server_that_does_not_answer_ends_no_standstill() -> None:
    partition = PartitionProgress()

    partition.observe(12, 10, now=1.0)
    assert partition.observe(None, None, now=5.0) is None
    assert partition.observe(None, 12, now=7.0) == Interval(1.0, 7.0)


def test_the_longest_standstill_is_named_after_the_fault_that_was_the_only_one_meanwhile() -> None:
    standstills = Standstills(cast("Endpoints", SimpleNamespace(direct=None)))
    standstills.intervals = [Interval(0, 2), Interval(10, 13), Interval(20, 26), Interval(40, 44), Interval(50, 51)]
    killed, frozen = ("consumer killed", Interval(9, 11)), ("kafka frozen", Interval(12, 30))
    again = ("consumer killed", Interval(41, 41.5))

    assert standstills.longest_by_fault([killed, frozen, again]) == {
        NO_FAULT: 2,
        SEVERAL_FAULTS: 3,
        "kafka frozen": 6,
        "consumer killed": 4,
    }
    assert standstills.longest([killed, frozen, again]) == "6.0 s, meanwhile: kafka frozen (-8.0 to 10.0 s)"
