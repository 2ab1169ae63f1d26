"""Lanes: which slices make the next transaction, and how they begin and end."""

import asyncio

import pytest

from consumer.config import IngestConfig
from consumer.errors import OperatorNeeded, Unavailable
from consumer.lanes import queue as queues
from consumer.lanes.lanes import Lane, Lanes
from consumer.model.batches import Batch, Slice, Stored
from consumer.model.claims import Claim
from consumer.telemetry.observer import Observer
from tests.support.builders import event
from tests.support.fakes import FakeWriter, bounds, ready, slice_of, until, write_all

CONFIG = IngestConfig(batch_records=4)


class SlowWriter(FakeWriter):
    """One that writes when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.let = asyncio.Event()

    async def write(self, batch: Batch, *, check_existing: bool) -> Stored:
        self.busy = True
        self.begun.set()
        await self.let.wait()
        self.busy = False
        return await super().write(batch, check_existing=check_existing)

    def disconnect(self) -> None:
        super().disconnect()
        self.let.set()


def lane_of(writer: FakeWriter, config: IngestConfig = CONFIG) -> Lane:
    return Lane(writer, config, Observer(60.0))


async def test_partitions_share_a_transaction_in_their_order() -> None:
    writer = FakeWriter()
    lane = lane_of(writer)
    for number in (2, 0, 1):
        lane.submit(slice_of(ready(number, writer), 0, 1))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 1), (1, 0, 1), (2, 0, 1)]]


async def test_a_transaction_is_bounded_and_whoever_was_left_out_goes_first() -> None:
    writer = FakeWriter()
    lane = lane_of(writer)
    claims = [ready(number, writer) for number in range(3)]
    for begins in (0, 2):
        for claim in claims:
            lane.submit(slice_of(claim, begins, begins + 3 if begins else 2))
    await write_all(lane)

    assert all(sum(ends - begins for _, begins, ends in batch) <= 4 for batch in writer.stored)
    assert writer.stored[:2] == [[(0, 0, 2), (1, 0, 2)], [(2, 0, 2)]]
    assert writer.position == {0: 5, 1: 5, 2: 5}


async def test_a_transaction_is_bounded_in_bytes_too() -> None:
    writer = FakeWriter()
    size = len(b"r1") + len(event(data="x" * 900).value)
    lane = lane_of(writer, IngestConfig(batch_bytes=2 * size))
    for number in range(3):
        large = event(partition=number, data="x" * 900)
        lane.submit(Slice.of(ready(number, writer), 0, 1, [large]))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 1), (1, 0, 1)], [(2, 0, 1)]]


async def test_a_slice_that_is_larger_than_a_batch_goes_alone() -> None:
    writer = FakeWriter()
    lane = lane_of(writer)
    lane.submit(slice_of(ready(0, writer), 0, 9))
    lane.submit(slice_of(ready(1, writer), 0, 1))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 9)], [(1, 0, 1)]]


async def test_a_partition_in_trouble_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a partition that can't be written, and waits long before it is tried again,
    monkeypatch.setattr(queues, "retry_delay_s", lambda failures: 3600.0)
    writer = FakeWriter()
    lane = lane_of(writer)
    troubled, other = ready(0, writer), ready(1, writer)
    writer.failure = lambda batch: Unavailable("lock") if batch[0].claim is troubled else None
    lane.submit(slice_of(troubled, 0, 1))
    running = asyncio.create_task(lane.run())
    await until(lambda: bool(writer.attempts))

    # when records of another one come,
    for offset in range(3):
        lane.submit(slice_of(other, offset, offset + 1))
        await until(lambda: not lane.queues[other].slices)

    # then they are stored, and the troubled one is not asked again before its time.
    assert writer.position == {0: 0, 1: 3}
    assert [batch for batch in writer.attempts if batch[0][0] == 0] == [[(0, 0, 1)]]
    lane.stop()
    await running


async def test_what_failed_is_tried_again_without_new_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "retry_delay_s", lambda failures: 0.01)
    writer = FakeWriter()
    troubles = [Unavailable("no"), Unavailable("no")]
    writer.failure = lambda batch: troubles.pop() if troubles else None
    lane = lane_of(writer)
    lane.submit(slice_of(ready(0, writer), 0, 1))
    await write_all(lane)

    assert len(writer.attempts) == 3


async def test_a_partition_has_room_while_less_than_a_batch_waits() -> None:
    writer = FakeWriter()
    lane, claim = lane_of(writer), ready(0, writer)

    assert lane.has_room(claim)
    lane.submit(slice_of(claim, 0, 3))
    assert lane.has_room(claim)
    lane.submit(slice_of(claim, 3, 4))
    assert not lane.has_room(claim)
    lane.queues[claim].begin()  # it is being written: the next batch may fill
    assert lane.has_room(claim)
    lane.submit(slice_of(claim, 4, 8))
    assert not lane.has_room(claim)


async def test_a_partition_has_no_room_when_its_bytes_make_a_batch() -> None:
    writer = FakeWriter()
    lane, claim = lane_of(writer, IngestConfig(batch_bytes=1024)), ready(0, writer)
    rest = 1024 - len(b"r1") - len(event(data="").value)
    lane.submit(Slice.of(claim, 0, 1, [event(data="x" * rest)]))

    assert lane.queues[claim].slices[0].size_bytes == 1024
    assert not lane.has_room(claim)


async def test_a_partition_in_trouble_keeps_no_more_than_a_batch_either() -> None:
    writer = FakeWriter()
    lane, claim = lane_of(writer), ready(0, writer)
    lane.submit(slice_of(claim, 0, 4))
    lane.queues[claim].back_off(now=0.0)

    assert not lane.has_room(claim)


async def test_a_transaction_that_ended_leaves_its_partition_idle_and_its_queue_growing() -> None:
    writer = FakeWriter()
    lane, claim = lane_of(writer), ready(0, writer)
    lane.submit(slice_of(claim, 0, 1))
    await write_all(lane)

    assert claim.idle.is_set()
    for offset in (1, 2):
        lane.submit(slice_of(claim, offset, offset + 1))
    assert bounds(lane.queues[claim].slices) == [(0, 1, 3)]


async def test_what_all_partitions_of_a_lane_hold_is_bounded_but_for_those_in_trouble() -> None:
    writer = FakeWriter()
    lane = lane_of(writer)
    one, two, third = (ready(number, writer) for number in range(3))
    lane.submit(slice_of(one, 0, 3))
    assert lane.has_room(third)
    lane.submit(slice_of(two, 0, 3))
    assert not lane.has_room(third)
    lane.queues[one].back_off(now=0.0)
    assert lane.has_room(third)


def test_a_partition_always_goes_to_the_same_lane() -> None:
    lanes = [lane_of(FakeWriter()) for _ in range(2)]
    together = Lanes(lanes)
    for number in (0, 1, 2, 3, 2):
        claim = Claim(number)
        claim.begin(0, None)
        together.submit(slice_of(claim, 0, 1))

    assert [sorted(claim.partition for claim in lane.queues) for lane in lanes] == [[0, 2, 2], [1, 3]]


def test_room_is_the_room_of_a_partitions_lane() -> None:
    writer = FakeWriter()
    lanes = Lanes([lane_of(writer), lane_of(writer)])
    full, other = ready(0, writer), ready(1, writer)
    lanes.submit(slice_of(full, 0, 4))

    assert lanes.has_room(full) is False
    assert lanes.has_room(other) is True


async def test_lanes_that_never_began_or_have_finished_may_be_finished() -> None:
    lanes = Lanes([lane_of(FakeWriter())])
    async with asyncio.timeout(5):
        await lanes.finish(60)
        lanes.start()
        await lanes.finish(60)
        await lanes.finish(60)


async def test_lanes_write_side_by_side() -> None:
    writers = [SlowWriter(), SlowWriter()]
    lanes = Lanes([lane_of(writer) for writer in writers])
    lanes.start()
    for number, writer in enumerate(writers):
        lanes.submit(slice_of(ready(number, writer), 0, 1))

    async with asyncio.timeout(5):
        await asyncio.gather(*(writer.begun.wait() for writer in writers))
    await lanes.finish(0)


async def test_finishing_lets_a_transaction_end_and_begins_no_other() -> None:
    writer = SlowWriter()
    lanes = Lanes([lane_of(writer)])
    claim = ready(0, writer)
    lanes.start()
    lanes.submit(slice_of(claim, 0, 1))
    async with asyncio.timeout(5):
        await writer.begun.wait()
        lanes.submit(slice_of(claim, 1, 2))
        finishing = asyncio.create_task(lanes.finish(timeout_s=60))
        await asyncio.sleep(0)
        assert not finishing.done()
        writer.let.set()
        await finishing

    assert writer.stored == [[(0, 0, 1)]]
    assert writer.disconnected == 1


async def test_finishing_cuts_a_transaction_that_takes_too_long() -> None:
    writer = SlowWriter()
    lanes = Lanes([lane_of(writer)])
    (task,) = lanes.start()
    lanes.submit(slice_of(ready(0, writer), 0, 1))
    async with asyncio.timeout(5):
        await writer.begun.wait()
        await lanes.finish(timeout_s=0)

    assert task.done()
    assert writer.disconnected == 1


async def test_finishing_ends_lanes_that_wait_for_work() -> None:
    lanes = Lanes([lane_of(FakeWriter()), lane_of(FakeWriter())])
    tasks = lanes.start()
    async with asyncio.timeout(5):
        await lanes.finish(timeout_s=60)

    assert all(task.done() for task in tasks)


async def test_a_lane_that_ends_with_an_error_says_so() -> None:
    writer = FakeWriter()
    writer.failure = lambda batch: OperatorNeeded("undefined_table")
    lanes = Lanes([lane_of(writer)])
    (task,) = lanes.start()
    lanes.submit(slice_of(ready(0, writer), 0, 1))
    async with asyncio.timeout(5):
        await asyncio.wait({task})

    assert isinstance(task.exception(), OperatorNeeded)
    await lanes.finish(0)
