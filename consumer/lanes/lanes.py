"""Lanes: each has one connection and writes the batches of its own partitions."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from consumer.errors import RepeatedIds, StoreError
from consumer.lanes.queue import Queue
from consumer.lanes.recovery import Recovery
from consumer.lanes.writer import Writer
from consumer.model.batches import Slice
from consumer.model.claims import Claim
from consumer.runtime.cancellation import cancel_all
from consumer.settings import IngestConfig
from consumer.telemetry.observer import Observer


class Lane:
    """One writer, and the queues of the partitions that are written through it.

    A partition belongs to one lane and a run to one partition, so the events of a run keep their order without a lock
    in this process.

    Attributes:
        queues: the queues by claim; those written least recently come first.
    """

    def __init__(self, writer: Writer, config: IngestConfig, observer: Observer) -> None:
        self._writer = writer
        self._config = config
        self._observer = observer
        self._recovery = Recovery(writer, observer)
        self.queues: dict[Claim, Queue] = {}
        self._work = asyncio.Event()
        self._stopping = False
        self._on_idle: Callable[[], None] = lambda: None

    @property
    def busy(self) -> bool:
        """Whether a transaction is open."""
        return self._writer.busy

    def call_when_idle(self, on_idle: Callable[[], None]) -> None:
        """Call `on_idle` whenever a transaction has ended."""
        self._on_idle = on_idle

    def stop(self) -> None:
        """Let `run` return after the open transaction, if any."""
        self._stopping = True
        self._work.set()

    def disconnect(self) -> None:
        """Cut the connection. PostgreSQL rolls back an open transaction."""
        self._writer.disconnect()

    def submit(self, slice_: Slice) -> None:
        """Queue a slice, even when `has_room` is False."""
        queue = self.queues.get(slice_.claim)
        if queue is None:
            queue = self.queues[slice_.claim] = Queue(slice_.claim, self._config)
        queue.append(slice_)
        self._work.set()

    def has_room(self, claim: Claim) -> bool:
        """Return whether more of this partition may be fetched: less than a batch waits in its queue and in the lane.

        A slice that is being written does not count, so that the next batch fills meanwhile. Partitions whose last
        attempt failed do not count for the lane: they would keep the others from being fetched.
        """
        queue = self.queues.get(claim)
        if queue is not None and not self._fits(queue.waiting()):
            return False
        served = [queue for queue in self.queues.values() if not queue.consecutive_failures]
        return self._fits([slice_ for queue in served for slice_ in queue.waiting()])

    def _fits(self, waiting: Sequence[Slice]) -> bool:
        return (
            sum(slice_.records for slice_ in waiting) < self._config.batch_records
            and sum(slice_.size_bytes for slice_ in waiting) < self._config.batch_bytes
        )

    async def run(self) -> None:
        """Write what is queued, until stopped.

        Raises:
            OperatorNeeded: no retry helps.
        """
        while not self._stopping:
            self.queues = {claim: queue for claim, queue in self.queues.items() if queue.alive}
            queues = self._next()
            if queues:
                await self._write(queues)
            else:
                await self._wait()

    def _next(self) -> list[Queue]:
        """Return the queues whose first slices are the next batch: one queue while any is isolated after a failure."""
        filled = [queue for queue in self.queues.values() if queue.slices]
        if not any(queue.isolated for queue in filled):
            return self._within_a_batch(filled)
        now = asyncio.get_running_loop().time()
        return [queue for queue in sorted(filled, key=lambda queue: queue.not_before) if queue.not_before <= now][:1]

    def _within_a_batch(self, filled: Iterable[Queue]) -> list[Queue]:
        """Return as many of the queues as fit into one batch, at least one, in the order of their partitions."""
        chosen: list[Queue] = []
        records = size_bytes = 0
        for queue in filled:
            records += queue.first.records
            size_bytes += queue.first.size_bytes
            if chosen and (records > self._config.batch_records or size_bytes > self._config.batch_bytes):
                break
            chosen.append(queue)
        return sorted(chosen, key=lambda queue: queue.claim.partition)

    async def _write(self, queues: Sequence[Queue]) -> None:
        batch = [queue.begin() for queue in queues]
        try:
            stored = await self._writer.write(batch, check_existing=any(queue.check_existing for queue in queues))
        except StoreError as error:
            self._isolate_all_after(error)
            await self._recovery.handle(error, queues)
        else:
            for queue in queues:
                queue.succeed(stored)
            self._recovery.on_stored(queues)
            self._observer.stored(batch, stored)
        finally:
            for queue in queues:
                queue.end()
            self._move_to_end(queues)
            self._on_idle()

    def _isolate_all_after(self, error: StoreError) -> None:
        """Write one partition a transaction until each has succeeded, so that a failure concerns one partition."""
        if not isinstance(error, RepeatedIds):
            for queue in self.queues.values():
                queue.isolate()

    def _move_to_end(self, queues: Sequence[Queue]) -> None:
        for queue in queues:
            if self.queues.pop(queue.claim, None) is not None:
                self.queues[queue.claim] = queue

    async def _wait(self) -> None:
        """Wait for a slice, or for the time of the next attempt."""
        self._work.clear()
        due = [queue.not_before for queue in self.queues.values() if queue.slices]
        now = asyncio.get_running_loop().time()
        timeout_s = max(0.0, min(due) - now) if due else None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), timeout_s)


class Lanes:
    """All lanes. A partition always belongs to the same lane."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._tasks: list[asyncio.Task[None]] = []
        self._idle = asyncio.Event()
        for lane in lanes:
            lane.call_when_idle(self._idle.set)

    def _lane_of(self, claim: Claim) -> Lane:
        return self._lanes[claim.partition % len(self._lanes)]

    def has_room(self, claim: Claim) -> bool:
        """Return whether more of this partition may be fetched. This is the back-pressure on Kafka."""
        return self._lane_of(claim).has_room(claim)

    def submit(self, slice_: Slice) -> None:
        """Queue a slice in its lane, even when `has_room` is False."""
        self._lane_of(slice_.claim).submit(slice_)

    async def wait_for_idle(self, timeout_s: float) -> None:
        """Wait until a lane has no open transaction, for at most `timeout_s` seconds."""
        self._idle.clear()
        if all(lane.busy for lane in self._lanes):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), timeout_s)

    def start(self) -> list["asyncio.Task[None]"]:
        """Start the lanes. Returns the lanes' tasks; a task that ends before `finish` ends with an error."""
        self._tasks = [asyncio.create_task(lane.run(), name="lane") for lane in self._lanes]
        return self._tasks

    async def finish(self, timeout_s: float) -> None:
        """Stop the lanes: let open transactions end, and cut the connections of those that exceed `timeout_s`.

        Slices that are queued are dropped: the partition's next owner fetches their records again.
        """
        if not self._tasks:
            return
        for lane in self._lanes:
            lane.stop()
        busy = {task for task, lane in zip(self._tasks, self._lanes, strict=True) if lane.busy}
        if busy:
            await asyncio.wait(busy, timeout=timeout_s)
        for lane in self._lanes:
            lane.disconnect()
        await cancel_all(self._tasks)
