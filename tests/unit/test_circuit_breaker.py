"""When a partition halts because too much of it is refused."""

import pytest

from consumer.config import IngestConfig
from consumer.lanes.queue import Queue
from consumer.model.batches import Stored
from consumer.model.claims import ClaimState
from consumer.model.records import Rejection
from consumer.partitions.circuit_breaker import trip_reason
from tests.support.builders import rejection
from tests.support.fakes import FakeWriter, ready, slice_of

CONFIG = IngestConfig(breaker_records=10, breaker_share=0.3)


def letters(*offsets: int, partition: int = 0) -> list[Rejection]:
    return [rejection(partition=partition, offset=offset) for offset in offsets]


def store(queue: Queue, begins: int, ends: int, refused: list[Rejection]) -> None:
    """What is stored is a slice up to `ends`, of which these were refused."""
    queue.append(slice_of(queue.claim, begins, ends))
    queue.begin()
    queue.end()
    queue.succeed(Stored(ends - begins, refused, 0))


def test_the_share_itself_is_not_too_much_and_one_more_is() -> None:
    assert trip_reason(["not_json"] * 3, CONFIG) is None

    assert "4 of the last 10 records were refused (3 not_json, 1 too_large)" in str(
        trip_reason([*["not_json"] * 3, "too_large"], CONFIG)
    )


@pytest.mark.parametrize("refused", [0, 10, 1_000_000])
def test_a_share_of_all_never_halts_anything_that_is_full_to_the_brim(refused: int) -> None:
    whole = IngestConfig(breaker_records=1_000_000, breaker_share=1)

    assert trip_reason(["not_json"] * refused, whole) is None


def test_a_partition_halts_when_its_last_records_were_refused_whatever_batches_they_came_in() -> None:
    queue = Queue(ready(0, FakeWriter()), CONFIG)

    store(queue, 0, 5, letters(3, 4))
    store(queue, 5, 12, letters(5))
    assert queue.alive
    store(queue, 12, 13, letters(12))

    assert queue.claim.state == ClaimState.HALTED
    assert "4 of the last 10" in queue.claim.halt_reason
    assert queue.claim.next_offset == 13, "what is stored stays stored"


def test_what_lies_further_back_is_forgotten() -> None:
    queue = Queue(ready(0, FakeWriter()), CONFIG)

    store(queue, 0, 5, letters(0, 1, 2))
    store(queue, 5, 12, letters(11))

    assert queue.alive


def test_another_partitions_letters_do_not_count() -> None:
    queue = Queue(ready(0, FakeWriter()), CONFIG)

    store(queue, 0, 5, letters(0, 1, 2, 3, partition=1))

    assert queue.alive
