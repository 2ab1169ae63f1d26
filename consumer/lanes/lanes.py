"""Lanes: a few connections, each writing the batches of its own partitions, side by side."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from consumer.config import IngestConfig
from consumer.errors import RepeatedIds, StoreError
from consumer.lanes.queue import Queue
from consumer.lanes.recovery import Recovery
from consumer.lanes.writer import Writer
from consumer.model.batches import Slice
from consumer.model.claims import Claim
from consumer.runtime.tasks import cancel_all
from consumer.telemetry.observer import Observer


class Lane:
    """One writer and the queues of the partitions that are written through it.

    A lane owns its partitions, so the order within a run needs no lock of ours.
    """

    def __init__(self, writer: Writer, config: IngestConfig, observer: Observer) -> None:
        self.writer = writer
        self.config = config
        self.observer = observer
        self._remedies = Recovery(writer, observer)
        self.queues: dict[Claim, Queue] = {}
        self._work = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Begin no further transaction."""
        self._stopping = True
        self._work.set()

    def submit(self, piece: Slice) -> None:
        """Queue a slice; `has_room` says when to."""
        queue = self.queues.get(piece.claim)
        if queue is None:
            queue = self.queues[piece.claim] = Queue(piece.claim, self.config)
        queue.append(piece)
        self._work.set()

    def has_room(self, claim: Claim) -> bool:
        """Whether more of this partition may be fetched: while one batch is being written, the next one fills.

        A partition that cannot be written just now keeps what it has, and does not count: the others go on.
        """
        queue = self.queues.get(claim)
        if queue is not None and not self._fits(queue.waiting()):
            return False
        return self._fits([piece for queue in self.queues.values() if not queue.failures for piece in queue.waiting()])

    def _fits(self, waiting: Sequence[Slice]) -> bool:
        return (
            sum(piece.records for piece in waiting) < self.config.batch_records
            and sum(piece.size_bytes for piece in waiting) < self.config.batch_bytes
        )

    async def run(self) -> None:
        """Write what is queued, until stopped.

        Raises:
            OperatorNeeded: PostgreSQL refused something that neither a record nor the world explains.
        """
        while not self._stopping:
            self._forget_the_dead()
            queues = self._next()
            if queues:
                await self._write(queues)
            else:
                await self._wait()

    def _forget_the_dead(self) -> None:
        self.queues = {claim: queue for claim, queue in self.queues.items() if queue.alive}

    def _next(self) -> list[Queue]:
        """Those whose first slices make the next transaction: all of them; after a failure one at a time."""
        waiting = [queue for queue in self.queues.values() if queue.slices]
        if not any(queue.doubted for queue in waiting):
            return self._within_a_batch(waiting)
        now = asyncio.get_running_loop().time()
        return [queue for queue in sorted(waiting, key=lambda queue: queue.not_before) if queue.not_before <= now][:1]

    def _within_a_batch(self, waiting: Sequence[Queue]) -> list[Queue]:
        chosen: list[Queue] = []
        records = size_bytes = 0
        for queue in waiting:
            records += queue.slices[0].records
            size_bytes += queue.slices[0].size_bytes
            if chosen and (records > self.config.batch_records or size_bytes > self.config.batch_bytes):
                break
            chosen.append(queue)
        return sorted(chosen, key=lambda queue: queue.claim.partition)

    async def _write(self, queues: Sequence[Queue]) -> None:
        batch = [queue.begin() for queue in queues]
        try:
            stored = await self.writer.write(batch, look_first=any(queue.look_first for queue in queues))
        except StoreError as error:
            self._doubt_all_after(error)
            await self._remedies.apply(error, queues)
        else:
            for queue in queues:
                queue.succeed(stored.letters)
                queue.look_first = queue.look_first and stored.repeats > 0
            self.observer.stored(batch, stored)
        finally:
            for queue in queues:
                queue.end()
            self._rotate(queues)

    def _doubt_all_after(self, error: StoreError) -> None:
        """One partition a transaction from here on, until each has succeeded: one's trouble stays its own."""
        for queue in self.queues.values():
            queue.doubted = queue.doubted or not isinstance(error, RepeatedIds)

    def _rotate(self, queues: Sequence[Queue]) -> None:
        """Those that were just served go last."""
        for queue in queues:
            if self.queues.pop(queue.claim, None) is not None:
                self.queues[queue.claim] = queue

    async def _wait(self) -> None:
        """Until there is work, or the time to try again what failed."""
        self._work.clear()
        pauses = [queue.not_before for queue in self.queues.values() if queue.slices]
        now = asyncio.get_running_loop().time()
        timeout_s = max(0.0, min(pauses) - now) if pauses else None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), timeout_s)


class Lanes:
    """All the lanes; a partition always goes to the same one."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._tasks: list[asyncio.Task[None]] = []

    def _of(self, claim: Claim) -> Lane:
        return self._lanes[claim.partition % len(self._lanes)]

    def has_room(self, claim: Claim) -> bool:
        """Whether more of this partition may be fetched: the back-pressure."""
        return self._of(claim).has_room(claim)

    def submit(self, piece: Slice) -> None:
        """Queue a slice for its lane."""
        self._of(piece.claim).submit(piece)

    def start(self) -> list["asyncio.Task[None]"]:
        """Begin to write; the tasks end with `finish`, or with the error that ended them."""
        self._tasks = [asyncio.create_task(lane.run(), name="lane") for lane in self._lanes]
        return self._tasks

    async def finish(self, timeout_s: float) -> None:
        """Let the transactions that are under way end; cut the connections of those that take longer.

        What is queued but not begun is left to the next owner of its partition, who finds it in the log.
        """
        if not self._tasks:
            return
        for lane in self._lanes:
            lane.stop()
        busy = {task for task, lane in zip(self._tasks, self._lanes, strict=True) if lane.writer.busy}
        if busy:
            await asyncio.wait(busy, timeout=timeout_s)
        for lane in self._lanes:
            lane.writer.disconnect()
        await cancel_all(self._tasks)
