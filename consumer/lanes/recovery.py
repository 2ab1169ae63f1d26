"""What a lane does about a transaction that failed: one remedy for each kind of error."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from consumer.errors import (
    Blocked,
    ConnectionLost,
    DataRefused,
    NewConnection,
    OperatorNeeded,
    RepeatedIds,
    StaleOffsets,
    StoreError,
)
from consumer.lanes.queue import Queue
from consumer.lanes.writer import Writer
from consumer.model.batches import Slice
from consumer.model.records import Event, Reason, Rejection
from consumer.telemetry.observer import Observer

_log = structlog.get_logger()

# So many connections lost over one slice before its records are written one by one, and over one record before it is
# named: twice could be a restart of the server, and the restart of its stand-by.
_LOSSES: Final = 3
# So many tries that end the same way, where a second one should have helped.
_TRIES: Final = 5


class Recovery:
    """What one lane knows to do; `queues` are those whose first slices were the batch, which stored nothing."""

    def __init__(self, writer: Writer, observer: Observer) -> None:
        self._writer = writer
        self._observer = observer

    async def apply(self, error: StoreError, queues: Sequence[Queue]) -> None:
        """Leave the queues so that the next transaction does the right thing about them.

        Raises:
            OperatorNeeded: there is no remedy.
        """
        partitions = [queue.claim.partition for queue in queues]
        # Repeats are nothing unusual: they are looked up, and counted.
        say = _log.info if isinstance(error, RepeatedIds) else _log.warning
        say("A batch was not stored", action="batch_failed", partitions=partitions, error=repr(error))
        self._observer.failed(error)
        match error:
            case ConnectionLost():
                await self._ask_what_happened(queues)
            case Blocked():
                await self._free_offsets(queues)
            case StaleOffsets() if len(queues) == 1:
                queues[0].claim.lose()
            case DataRefused() if len(queues) == 1:
                await self._find_refused(queues[0], error)
            case RepeatedIds() | NewConnection() | StaleOffsets() | DataRefused():
                self._try_again(error, queues)
            case _:
                self._writer.disconnect()  # a server that became read-only is no longer the right one
                _wait(queues)

    def _try_again(self, error: StoreError, queues: Sequence[Queue]) -> None:
        """At once; but what should have helped and doesn't is a fault of ours, or somebody else writes our tables."""
        if isinstance(error, NewConnection):
            self._writer.disconnect()
        for queue in queues:
            queue.look_first = queue.look_first or isinstance(error, RepeatedIds)
            queue.tries += 1
            if queue.tries > _TRIES:
                raise OperatorNeeded(f"partition {queue.claim.partition}: {error}") from error

    async def _ask_what_happened(self, queues: Sequence[Queue]) -> None:
        """An ambiguous commit: the offsets say whether it happened."""
        self._writer.disconnect()
        try:
            offsets = await self._writer.offsets()
        except StoreError:
            _wait(queues)  # nobody knows yet; writing again is safe, the offsets are compared
            return
        batch = [queue.slices[0] for queue in queues]
        for queue, piece in zip(queues, batch, strict=True):
            stored = offsets.get(queue.claim.partition)
            if stored is not None and stored.next_offset == piece.ends:
                queue.succeed(self._writer.outcome.letters)
            elif stored is not None and stored.next_offset == piece.begins:
                _lost_again(queue)
            else:
                queue.claim.lose()
        if all(queue.claim.next_offset == piece.ends for queue, piece in zip(queues, batch, strict=True)):
            self._observer.stored(batch, self._writer.outcome)

    async def _free_offsets(self, queues: Sequence[Queue]) -> None:
        """A process that was stopped in mid COPY keeps its locks for ever: end its backend."""
        partitions = [queue.claim.partition for queue in queues]
        try:
            pids = await self._writer.terminate_stalled_owner(partitions)
        except StoreError:
            pids = []
        if pids:
            _log.warning("Ended a stalled consumer's backend", action="stalled_owner", partitions=partitions, pids=pids)
        else:
            _wait(queues)

    async def _find_refused(self, queue: Queue, error: DataRefused) -> None:
        """Set aside what PostgreSQL cannot store; where no single message shows why, halve and try again."""
        first = queue.slices[0]
        try:
            found = _make_storable(first.events) or await self._set_refused_aside(first)
        except StoreError:
            _wait([queue])
            return
        if found:
            return
        if len(first.events) > 1:
            queue.replace_first(first.split(2))
        elif first.events:
            first.set_aside([Rejection(first.events[0].record, Reason.STORE_REJECTED, str(error))])
        else:
            raise OperatorNeeded(f"partition {queue.claim.partition}: {error}") from error

    async def _set_refused_aside(self, piece: Slice) -> bool:
        refused = await self._writer.refused_values([event.value for event in piece.events])
        events = piece.events
        piece.set_aside([Rejection(events[at].record, Reason.STORE_REJECTED, why) for at, why in refused.items()])
        return bool(refused)


def _wait(queues: Sequence[Queue]) -> None:
    now = asyncio.get_running_loop().time()
    for queue in queues:
        queue.fail(now)


def _lost_again(queue: Queue) -> None:
    """The database answers, but not while it writes this: narrow it down to the record that may be what kills it."""
    _wait([queue])
    queue.losses += 1
    first = queue.slices[0]
    if queue.losses < _LOSSES:
        return
    if first.records > 1:
        queue.replace_first(first.split(first.records))
    elif first.last is not None:
        offset, _ = first.last
        queue.claim.halt(f"the connection to PostgreSQL is lost whenever the record at offset {offset} is written")


def _make_storable(events: Sequence[Event]) -> bool:
    """Whether one or the other was not storable as it was, and is now."""
    changed = [event for event in events if event.make_storable()]
    return bool(changed)
