"""Recovery from a failed transaction: one action for each kind of error."""

import asyncio
from collections.abc import Sequence

from agent_runs.codec.records import Reason
from consumer.errors import (
    Blocked,
    ConnectionLost,
    DataRefused,
    NewConnection,
    OutOfMemory,
    RepeatedIds,
    StaleOffsets,
    StoreError,
)
from consumer.lanes.failure_lines import FailureLines
from consumer.lanes.queue import Queue
from consumer.lanes.writer import Writer
from consumer.model.batches import Slice
from consumer.model.records import Event, Rejection
from consumer.telemetry.observer import Observer


class Recovery:
    """The recovery of one lane. In its methods, `queues` are the queues whose first slices were the failed batch."""

    def __init__(self, writer: Writer, observer: Observer) -> None:
        self._writer = writer
        self._observer = observer
        self._lines = FailureLines()

    def on_stored(self, queues: Sequence[Queue]) -> None:
        """Record that the batch of these queues was stored, perhaps after failures."""
        self._lines.stored([queue.claim for queue in queues])

    async def handle(self, error: StoreError, queues: Sequence[Queue]) -> None:
        """Prepare the queues for the next attempt.

        If the batch has several partitions and the error may concern only one of them, the batch is retried at once.
        The lane now writes each partition alone, so the error occurs again for the partition that it concerns.
        """
        self._lines.failed(error, [queue.claim for queue in queues])
        self._observer.failed(error)
        match error:
            case ConnectionLost():
                await self._resolve_ambiguous_commit(error, queues)
            case Blocked():
                await self._terminate_stalled_owner(queues)
            case StaleOffsets() if len(queues) == 1:
                queues[0].claim.revoke()
            case OutOfMemory() if len(queues) == 1:
                queues[0].run_out_of_memory(asyncio.get_running_loop().time())
            case DataRefused() if len(queues) == 1:
                await self._resolve_refusal(queues[0], error)
            case RepeatedIds() | NewConnection() | StaleOffsets() | DataRefused():
                await self._retry_at_once(error, queues)
            case _:
                self._writer.disconnect()  # after a failover, this connection may be to a read-only server
                _retry_later(error, queues)

    async def _retry_at_once(self, error: StoreError, queues: Sequence[Queue]) -> None:
        if isinstance(error, NewConnection):
            self._writer.disconnect()
        exhausted = [queue for queue in queues if not queue.retry_at_once(error)]
        if exhausted and len(queues) == 1:
            await self._narrow(queues[0], error)
        for queue in exhausted:
            queue.isolate()

    async def _resolve_ambiguous_commit(self, error: ConnectionLost, queues: Sequence[Queue]) -> None:
        """Read the stored offsets: they show whether the transaction was committed.

        An offset at the end of its slice: committed. At the start: not committed. Elsewhere: moved by another process.
        """
        self._writer.disconnect()
        try:
            offsets = await self._writer.offsets()
        except StoreError:
            _back_off(queues)  # the result stays unknown; writing again is safe, because the offsets are compared
            return
        batch = [queue.first for queue in queues]
        now = asyncio.get_running_loop().time()
        for queue, slice_ in zip(queues, batch, strict=True):
            stored = offsets.get(queue.claim.partition)
            if stored is not None and stored.next_offset == slice_.end_offset and error.outcome is not None:
                queue.succeed(error.outcome)
            elif stored is None or stored.next_offset != slice_.start_offset:
                queue.claim.revoke()
            elif error.limit_exceeded:
                queue.exceed_limit(error, now, alone=len(queues) == 1)
            else:
                queue.lose_connection(now)
        if error.outcome is not None and all(
            queue.claim.next_offset == slice_.end_offset for queue, slice_ in zip(queues, batch, strict=True)
        ):
            self._observer.stored(batch, error.outcome)

    async def _terminate_stalled_owner(self, queues: Sequence[Queue]) -> None:
        """Terminate backends that have locked the offsets for longer than `stalled_owner_s`; else back off."""
        try:
            pids = await self._writer.terminate_stalled_owner([queue.claim.partition for queue in queues])
        except StoreError:
            pids = []
        if not pids:
            _back_off(queues)

    async def _resolve_refusal(self, queue: Queue, error: DataRefused) -> None:
        """Make events storable, and reject those that JSONB cannot hold. If there are none of either, narrow.

        A record is rejected only if its own message is the cause. All other columns hold values that `decode` and
        `ingest` have checked, so that only an object that was added to the tables can refuse them.
        """
        try:
            resolved = _make_storable(queue.first.events) or await self._reject_refused(queue.first)
        except StoreError as failure:
            _retry_later(failure, [queue])
            return
        if not resolved:
            await self._narrow(queue, error)

    async def _reject_refused(self, slice_: Slice) -> bool:
        """Reject the events whose messages JSONB cannot hold. Returns whether there were any."""
        refused = await self._writer.refused_values([event.value for event in slice_.events])
        slice_.reject(
            [
                Rejection(slice_.events[position].record, Reason.STORE_REJECTED, message)
                for position, message in refused.items()
            ]
        )
        return bool(refused)

    async def _narrow(self, queue: Queue, error: StoreError) -> None:
        """Halve the first slice. If it has one record, halt the claim: all records before it are stored."""
        if queue.first.records > 1:
            queue.split_first(2)
            return
        reason = await self._explain(error)
        queue.claim.halt(f"PostgreSQL refuses to store the record at offset {queue.only_offset}: {reason}")

    async def _explain(self, error: StoreError) -> str:
        """Return the error with the objects that may be the cause: those that it names, else all added ones."""
        if isinstance(error, DataRefused) and error.names_object:
            return f"{error}. The record's message is not the cause: change or drop this object"
        try:
            added = await self._writer.added_objects()
        except StoreError:
            added = []
        if not added:
            return str(error)
        return f"{error}. The record's message is not the cause, but one of these may be: {', '.join(added)}"


def _back_off(queues: Sequence[Queue]) -> None:
    now = asyncio.get_running_loop().time()
    for queue in queues:
        queue.back_off(now)


def _retry_later(error: StoreError, queues: Sequence[Queue]) -> None:
    """Write the batch again after a delay; half of it, if a limit was exceeded."""
    if not error.limit_exceeded:
        _back_off(queues)
        return
    now = asyncio.get_running_loop().time()
    for queue in queues:
        queue.exceed_limit(error, now, alone=len(queues) == 1)


def _make_storable(events: Sequence[Event]) -> bool:
    """Replace the characters that JSONB cannot hold. Returns whether an event was changed."""
    changed = [event for event in events if event.make_storable()]
    return bool(changed)
