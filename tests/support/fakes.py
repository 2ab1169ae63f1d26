"""A writer without a database: it keeps the offsets, and has the troubles that a test gives it."""

import asyncio
from collections.abc import Callable, Sequence

from consumer.errors import ConsumerError, StaleOffsets, StoreError
from consumer.ingest.ingest import Stored
from consumer.lanes.lanes import Lane
from consumer.lanes.writer import Writer
from consumer.model.batches import Batch, Slice
from consumer.model.claims import Claim
from consumer.postgres.store import Offsets
from tests.support.builders import event

DEADLINE_S = 5.0

Bounds = tuple[int, int, int]  # partition, begins, ends
Trouble = Callable[[Batch], ConsumerError | None]


def bounds(batch: Batch) -> list[Bounds]:
    return [(piece.claim.partition, piece.begins, piece.ends) for piece in batch]


class FakeWriter(Writer):
    """Compares and sets offsets as the tables do, and remembers what was tried and what was stored.

    Attributes:
        trouble: asked before each batch; what it returns is raised, and nothing stored.
        afterwards: the same, asked after the batch was stored.
        asking: raised by whatever is asked outside of a batch.
        refused: places of values that JSONB refuses, by the values.
        stalled: the process ids of stalled owners.
        repeats: how many each of the next batches has.
    """

    def __init__(self) -> None:
        self.position: dict[int, int] = {}
        self.tried: list[list[Bounds]] = []
        self.looked: list[bool] = []
        self.stored: list[list[Bounds]] = []
        self.batches: list[Batch] = []
        self.disconnected = 0
        self.busy = False
        self.outcome = Stored(0, [], 0)
        self.trouble: Trouble = lambda batch: None
        self.afterwards: Trouble = lambda batch: None
        self.asking: list[StoreError] = []
        self.refused: Callable[[Sequence[bytes]], dict[int, str]] = lambda values: {}
        self.stalled: list[int] = []
        self.repeats: list[int] = []

    async def write(self, batch: Batch, *, look_first: bool) -> Stored:
        await asyncio.sleep(0)
        self.looked.append(look_first)
        self.tried.append(bounds(batch))
        if error := self.trouble(batch):
            raise error
        if any(self.position.get(partition, begins) != begins for partition, begins, _ in bounds(batch)):
            raise StaleOffsets("moved")
        self.position |= {partition: ends for partition, _, ends in bounds(batch)}
        self.stored.append(bounds(batch))
        self.batches.append(batch)
        letters = [letter for piece in batch for letter in piece.letters]
        repeats = self.repeats.pop(0) if self.repeats else 0
        self.outcome = Stored(sum(len(piece.events) for piece in batch) - repeats, letters, repeats)
        if error := self.afterwards(batch):
            raise error
        return self.outcome

    async def offsets(self) -> dict[int, Offsets]:
        if self.asking:
            raise self.asking.pop(0)
        return {number: Offsets(number, 0, position, None, None, 0, 0) for number, position in self.position.items()}

    async def refused_values(self, values: Sequence[bytes]) -> dict[int, str]:
        if self.asking:
            raise self.asking.pop(0)
        return self.refused(values)

    async def terminate_stalled_owner(self, partitions: Sequence[int]) -> list[int]:
        if self.asking:
            raise self.asking.pop(0)
        ended, self.stalled = self.stalled, []
        return ended

    def disconnect(self) -> None:
        self.disconnected += 1


def times(count: int, error: Callable[[], ConsumerError]) -> Trouble:
    """That many times this trouble, then none."""
    left = [error() for _ in range(count)]
    return lambda batch: left.pop(0) if left else None


def ready(partition: int, writer: FakeWriter, offset: int = 0) -> Claim:
    """A claim that begins where the tables stand."""
    claim = Claim(partition)
    claim.begin(offset, None)
    writer.position[partition] = offset
    return claim


def piece(claim: Claim, begins: int, ends: int) -> Slice:
    """A slice with an event at each offset."""
    events = [event(partition=claim.partition, offset=offset) for offset in range(begins, ends)]
    return Slice.of(claim, begins, ends, events)


async def settle(lane: Lane) -> None:
    """Run the lane until nothing is left that it can write."""
    running = asyncio.create_task(lane.run())
    await until(lambda: running.done() or not any(queue.slices for queue in lane.queues.values() if queue.alive))
    lane.stop()
    await running


async def until(condition: Callable[[], bool]) -> None:
    """Let the others go on until it holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # a turn of the loop each, no time: what is waited for has no event
            await asyncio.sleep(0)
