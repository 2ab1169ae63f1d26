"""Lanes: which slices make the next batch, back-pressure, start and finish."""

import asyncio

import pytest

from consumer.errors import OperatorNeeded, Unavailable
from consumer.lanes import queue as queues
from consumer.lanes.lanes import Lane, Lanes
from consumer.model.batches import Batch, Slice, Stored
from consumer.model.claims import Claim
from consumer.settings import IngestConfig
from consumer.telemetry.observer import Observer
from tests.support.builders import event
from tests.support.fakes import FakeWriter, bounds, ready, slice_of, until, write_all

CONFIG = IngestConfig(batch_records=4)


class SlowWriter(FakeWriter):
    """Blocks each write until `released` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.began = asyncio.Event()
        self.released = asyncio.Event()

    async def write(self, batch: Batch, *, check_existing: bool) -> Stored:
        self.busy = True
        self.began.set()
        await self.released.wait()
        self.busy = False
        return await super().write(batch, check_existing=check_existing)

    def disconnect(self) -> None:
        super().disconnect()
        self.released.set()


def lane_of(writer: FakeWriter, config: IngestConfig = CONFIG) -> Lane:
    return Lane(writer, config, Observer(60.0))


async def test_partitions_share_a_batch_in_the_order_of_their_numbers() -> None:
    writer = FakeWriter()
    lane = lane_of(writer)
    for number in (2, 0, 1):
        lane.submit(slice_of(ready(number, writer), 0, 1))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 1), (1, 0, 1), (2, 0, 1)]]


async def test_a_batch_is_bounded_in_records_and_the_partitions_left_out_come_first_in_the_next() -> None:
    writer = FakeWriter()
    lane = lane_of(writer)
    claims = [ready(number, writer) for number in range(3)]
    for start in (0, 2):
        for claim in claims:
            lane.submit(slice_of(claim, start, start + 3 if start else 2))
    await write_all(lane)

    assert all(sum(end - start for _, start, end in batch) <= 4 for batch in writer.stored)
    assert writer.stored[:2] == [[(0, 0, 2), (1, 0, 2)], [(2, 0, 2)]]
    assert writer.position == {0: 5, 1: 5, 2: 5}


async def test_a_batch_is_bounded_in_bytes() -> None:
    writer = FakeWriter()
    size = len(b"r1") + len(event(data="x" * 900).value)
    lane = lane_of(writer, IngestConfig(batch_bytes=2 * size))
    for number in range(3):
        large = event(partition=number, data="x" * 900)
        lane.submit(Slice.of(ready(number, writer), 0, 1, [large]))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 1), (1, 0, 1)], [(2, 0, 1)]]


async def test_a_slice_larger_than_a_batch_is_written_alone() -> None:
    writer = FakeWriter()
    lane = lane_of(writer)
    lane.submit(slice_of(ready(0, writer), 0, 9))
    lane.submit(slice_of(ready(1, writer), 0, 1))
    await write_all(lane)

    assert writer.stored == [[(0, 0, 9)], [(1, 0, 1)]]


async def test_a_failing_partition_does_not_delay_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a partition that cannot be written, and whose next attempt is an hour away,
    monkeypatch.setattr(queues, "retry_delay_s", lambda failures: 3600.0)
    writer = FakeWriter()
    lane = lane_of(writer)
    failing, other = ready(0, writer), ready(1, writer)
    writer.failure = lambda batch: Unavailable("lock") if batch[0].claim is failing else None
    lane.submit(slice_of(failing, 0, 1))
    running = asyncio.create_task(lane.run())
    await until(lambda: bool(writer.attempts))

    # when records of another partition are submitted,
    for offset in range(3):
        lane.submit(slice_of(other, offset, offset + 1))
        await until(lambda: not lane.queues[other].slices)

    # then they are stored, and the failing partition is not attempted again.
    assert writer.position == {0: 0, 1: 3}
    assert [batch for batch in writer.attempts if batch[0][0] == 0] == [[(0, 0, 1)]]
    lane.stop()
    await running


async def test_a_failed_slice_is_retried_when_no_other_slice_is_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "retry_delay_s", lambda failures: 0.01)
    writer = FakeWriter()
    errors = [Unavailable("no"), Unavailable("no")]
    writer.failure = lambda batch: errors.pop() if errors else None
    lane = lane_of(writer)
    lane.submit(slice_of(ready(0, writer), 0, 1))
    await write_all(lane)

    assert len(writer.attempts) == 3


async def test_a_partition_has_room_while_fewer_records_than_a_batch_wait() -> None:
    writer = FakeWriter()
    lane, claim = lane_of(writer), ready(0, writer)

    assert lane.has_room(claim)
    lane.submit(slice_of(claim, 0, 3))
    assert lane.has_room(claim)
    lane.submit(slice_of(claim, 3, 4))
    assert not lane.has_room(claim)
    lane.queues[claim].begin()  # a slice that is being written does not count
    assert lane.has_room(claim)
    lane.submit(slice_of(claim, 4, 8))
    assert not lane.has_room(claim)


async def test_a_partition_has_no_room_when_as_many_bytes_as_a_batch_wait() -> None:
    writer = FakeWriter()
    lane, claim = lane_of(writer, IngestConfig(batch_bytes=1024)), ready(0, writer)
    rest = 1024 - len(b"r1") - len(event(data="").value)
    lane.submit(Slice.of(claim, 0, 1, [event(data="x" * rest)]))

    assert lane.queues[claim].slices[0].size_bytes == 1024
    assert not lane.has_room(claim)


async def test_a_failing_partition_has_no_room_when_a_batch_waits() -> None:
    writer = FakeWriter()
    lane, claim = lane_of(writer), ready(0, writer)
    lane.submit(slice_of(claim, 0, 4))
    lane.queues[claim].back_off(now=0.0)

    assert not lane.has_room(claim)


async def test_after_a_transaction_its_claim_is_idle_and_new_slices_are_merged() -> None:
    writer = FakeWriter()
    lane, claim = lane_of(writer), ready(0, writer)
    lane.submit(slice_of(claim, 0, 1))
    await write_all(lane)

    assert claim.idle.is_set()
    for offset in (1, 2):
        lane.submit(slice_of(claim, offset, offset + 1))
    assert bounds(lane.queues[claim].slices) == [(0, 1, 3)]


async def test_the_waiting_slices_of_a_lane_are_bounded_without_those_of_failing_partitions() -> None:
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


def test_a_partition_has_the_room_of_its_lane() -> None:
    writer = FakeWriter()
    lanes = Lanes([lane_of(writer), lane_of(writer)])
    full, other = ready(0, writer), ready(1, writer)
    lanes.submit(slice_of(full, 0, 4))

    assert lanes.has_room(full) is False
    assert lanes.has_room(other) is True


async def test_finish_may_be_called_before_start_and_twice() -> None:
    lanes = Lanes([lane_of(FakeWriter())])
    async with asyncio.timeout(5):
        await lanes.finish(60)
        lanes.start()
        await lanes.finish(60)
        await lanes.finish(60)


async def test_lanes_write_at_the_same_time() -> None:
    writers = [SlowWriter(), SlowWriter()]
    lanes = Lanes([lane_of(writer) for writer in writers])
    lanes.start()
    for number, writer in enumerate(writers):
        lanes.submit(slice_of(ready(number, writer), 0, 1))

    async with asyncio.timeout(5):
        await asyncio.gather(*(writer.began.wait() for writer in writers))
    await lanes.finish(0)


async def test_the_wait_for_an_idle_lane_ends_when_one_of_the_busy_lanes_has_written() -> None:
    writers = [SlowWriter(), SlowWriter()]
    lanes = Lanes([lane_of(writer) for writer in writers])
    lanes.start()
    for number, writer in enumerate(writers):
        lanes.submit(slice_of(ready(number, writer), 0, 1))
    async with asyncio.timeout(5):
        await asyncio.gather(*(writer.began.wait() for writer in writers))
        waiting = asyncio.create_task(lanes.wait_for_idle(60))
        await asyncio.sleep(0)
        assert not waiting.done()
        writers[1].released.set()
        await waiting

    assert [writer.stored for writer in writers] == [[], [[(1, 0, 1)]]]
    await lanes.finish(0)


async def test_the_wait_for_an_idle_lane_ends_at_once_if_there_is_one_and_at_its_timeout_if_there_is_none() -> None:
    writer = SlowWriter()
    lanes = Lanes([lane_of(writer)])
    lanes.start()
    async with asyncio.timeout(5):
        await lanes.wait_for_idle(60)
        lanes.submit(slice_of(ready(0, writer), 0, 1))
        await writer.began.wait()
        await lanes.wait_for_idle(0.001)

    assert writer.stored == []
    await lanes.finish(0)


async def test_finish_lets_an_open_transaction_end_and_begins_no_other() -> None:
    writer = SlowWriter()
    lanes = Lanes([lane_of(writer)])
    claim = ready(0, writer)
    lanes.start()
    lanes.submit(slice_of(claim, 0, 1))
    async with asyncio.timeout(5):
        await writer.began.wait()
        lanes.submit(slice_of(claim, 1, 2))
        finishing = asyncio.create_task(lanes.finish(timeout_s=60))
        await asyncio.sleep(0)
        assert not finishing.done()
        writer.released.set()
        await finishing

    assert writer.stored == [[(0, 0, 1)]]
    assert writer.disconnected == 1


async def test_finish_cuts_the_connection_of_a_transaction_that_takes_too_long() -> None:
    writer = SlowWriter()
    lanes = Lanes([lane_of(writer)])
    (task,) = lanes.start()
    lanes.submit(slice_of(ready(0, writer), 0, 1))
    async with asyncio.timeout(5):
        await writer.began.wait()
        await lanes.finish(timeout_s=0)

    assert task.done()
    assert writer.disconnected == 1


async def test_finish_ends_lanes_that_wait_for_slices() -> None:
    lanes = Lanes([lane_of(FakeWriter()), lane_of(FakeWriter())])
    tasks = lanes.start()
    async with asyncio.timeout(5):
        await lanes.finish(timeout_s=60)

    assert [task.done() for task in tasks] == [True, True]


async def test_the_task_of_a_lane_ends_with_its_error() -> None:
    writer = FakeWriter()
    writer.failure = lambda batch: OperatorNeeded("undefined_table")
    lanes = Lanes([lane_of(writer)])
    (task,) = lanes.start()
    lanes.submit(slice_of(ready(0, writer), 0, 1))
    async with asyncio.timeout(5):
        await asyncio.wait({task})

    assert isinstance(task.exception(), OperatorNeeded)
    await lanes.finish(0)
