"""When a partition halts because too many of its records are rejected."""

import pytest

from consumer.lanes.queue import Queue
from consumer.model.batches import NewDeadLetter, Stored
from consumer.model.claims import ClaimState
from consumer.model.records import Rejection
from consumer.partitions.circuit_breaker import trip_reason
from consumer.settings import IngestConfig
from tests.support.builders import rejection
from tests.support.fakes import FakeWriter, ready, slice_of

CONFIG = IngestConfig(breaker_records=10, breaker_share=0.3)


def rejections(*offsets: int, partition: int = 0) -> list[Rejection]:
    return [rejection(partition=partition, offset=offset) for offset in offsets]


def store(queue: Queue, start: int, end: int, rejected: list[Rejection]) -> None:
    """Store a slice up to `end`, of which these records were rejected."""
    queue.append(slice_of(queue.claim, start, end))
    queue.begin()
    queue.end()
    queue.succeed(Stored(end - start, [NewDeadLetter(1, rejection) for rejection in rejected], 0))


def test_a_partition_halts_above_the_share_not_at_it() -> None:
    assert trip_reason(["not_json"] * 3, CONFIG) is None

    assert "4 of the last 10 records were rejected (3 not_json, 1 too_large)" in str(
        trip_reason([*["not_json"] * 3, "too_large"], CONFIG)
    )


@pytest.mark.parametrize("refused", [0, 10, 1_000_000])
def test_a_share_of_one_never_halts_a_partition(refused: int) -> None:
    whole = IngestConfig(breaker_records=1_000_000, breaker_share=1)

    assert trip_reason(["not_json"] * refused, whole) is None


def test_rejections_are_counted_over_several_batches() -> None:
    queue = Queue(ready(0, FakeWriter()), CONFIG)

    store(queue, 0, 5, rejections(3, 4))
    store(queue, 5, 12, rejections(5))
    assert queue.alive
    store(queue, 12, 13, rejections(12))

    assert queue.claim.state == ClaimState.HALTED
    assert "4 of the last 10" in queue.claim.halt_reason
    assert queue.claim.next_offset == 13, "the batch that halts the partition is stored"


def test_rejections_before_the_last_records_do_not_count() -> None:
    queue = Queue(ready(0, FakeWriter()), CONFIG)

    store(queue, 0, 5, rejections(0, 1, 2))
    store(queue, 5, 12, rejections(11))

    assert queue.alive


def test_rejections_of_another_partition_do_not_count() -> None:
    queue = Queue(ready(0, FakeWriter()), CONFIG)

    store(queue, 0, 5, rejections(0, 1, 2, 3, partition=1))

    assert queue.alive
