"""A writer without a database: keeps offsets, records what was written, and raises the errors that a test has set."""

import asyncio
from collections.abc import Callable, Sequence

from consumer.errors import ConnectionLost, ConsumerError, StaleOffsets, StoreError
from consumer.lanes.lanes import Lane
from consumer.lanes.writer import Writer
from consumer.model.batches import Batch, NewDeadLetter, Slice, Stored
from consumer.model.claims import Claim
from consumer.postgres.store import Offsets
from tests.support.builders import event

DEADLINE_S = 5.0

Bounds = tuple[int, int, int]  # partition, start offset, end offset
Failure = Callable[[Batch], ConsumerError | None]


def bounds(batch: Batch) -> list[Bounds]:
    """Return the bounds of each slice."""
    return [(slice_.claim.partition, slice_.start_offset, slice_.end_offset) for slice_ in batch]


class FakeWriter(Writer):
    """Compares and sets offsets as the tables do, and keeps what was attempted and what was stored.

    Attributes:
        position: the stored offset of each partition.
        attempts: the bounds of every batch that was written, also of those that failed.
        checked: of each attempt, whether existing ids were looked up.
        stored: the bounds of every batch that was stored.
        batches: the batches that were stored.
        failure: called before each batch; the error that it returns is raised, and nothing is stored.
        unanswered_commits: the connection is lost during the COMMIT of so many batches, which are stored.
        query_errors: raised by the next calls of the other methods, one each.
        refused: called with values; returns those that JSONB refuses, by position, with the message.
        stalled: the process ids of stalled owners; they are terminated by the next call.
        repeats: the number of repeats in each of the next batches.
        added: the objects that were added to the tables.
    """

    def __init__(self) -> None:
        self.position: dict[int, int] = {}
        self.attempts: list[list[Bounds]] = []
        self.checked: list[bool] = []
        self.stored: list[list[Bounds]] = []
        self.batches: list[Batch] = []
        self.disconnected = 0
        self.busy = False
        self.failure: Failure = lambda batch: None
        self.unanswered_commits = 0
        self.query_errors: list[StoreError] = []
        self.refused: Callable[[Sequence[bytes]], dict[int, str]] = lambda values: {}
        self.stalled: list[int] = []
        self.repeats: list[int] = []
        self.added: list[str] = []

    async def write(self, batch: Batch, *, check_existing: bool) -> Stored:
        await asyncio.sleep(0)
        self.checked.append(check_existing)
        self.attempts.append(bounds(batch))
        if error := self.failure(batch):
            raise error
        if any(self.position.get(partition, start) != start for partition, start, _ in bounds(batch)):
            raise StaleOffsets("moved")
        self.position |= {partition: end for partition, _, end in bounds(batch)}
        self.stored.append(bounds(batch))
        self.batches.append(batch)
        rejections = [NewDeadLetter(1, rejection) for slice_ in batch for rejection in slice_.rejections]
        repeats = self.repeats.pop(0) if self.repeats else 0
        stored = Stored(sum(len(slice_.events) for slice_ in batch) - repeats, rejections, repeats)
        if self.unanswered_commits:
            self.unanswered_commits -= 1
            raise ConnectionLost("during COMMIT", stored)
        return stored

    async def offsets(self) -> dict[int, Offsets]:
        self._raise_query_error()
        return {number: Offsets(number, 0, position, None, None, 0, 0) for number, position in self.position.items()}

    async def refused_values(self, values: Sequence[bytes]) -> dict[int, str]:
        self._raise_query_error()
        return self.refused(values)

    async def added_objects(self) -> list[str]:
        self._raise_query_error()
        return self.added

    async def terminate_stalled_owner(self, partitions: Sequence[int]) -> list[int]:
        self._raise_query_error()
        terminated, self.stalled = self.stalled, []
        return terminated

    def _raise_query_error(self) -> None:
        if self.query_errors:
            raise self.query_errors.pop(0)

    def disconnect(self) -> None:
        self.disconnected += 1


def times(count: int, error: Callable[[], ConsumerError]) -> Failure:
    """Fail that many times with this error, then no more."""
    left = [error() for _ in range(count)]
    return lambda batch: left.pop(0) if left else None


def ready(partition: int, writer: FakeWriter, offset: int = 0) -> Claim:
    """Return a claim that begins at `offset`, where the fake tables are too."""
    claim = Claim(partition)
    claim.begin(offset, None)
    writer.position[partition] = offset
    return claim


def slice_of(claim: Claim, start_offset: int, end_offset: int) -> Slice:
    """Return a slice with an event at each offset."""
    events = [event(partition=claim.partition, offset=offset) for offset in range(start_offset, end_offset)]
    return Slice.of(claim, start_offset, end_offset, events)


async def write_all(lane: Lane) -> None:
    """Run the lane until it has nothing left to write, and stop it."""
    running = asyncio.create_task(lane.run())
    await until(lambda: running.done() or not any(queue.slices for queue in lane.queues.values() if queue.alive))
    lane.stop()
    await running


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until the condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # yields to the event loop; there is no event to wait for
            await asyncio.sleep(0)
