"""What a lane does about a transaction that failed: one remedy for each kind of error."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import structlog

from agent_runs.jsontext import without_unstorable
from consumer.batches import Slice
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
from consumer.queues import Queue
from consumer.records import Event, Letter, Reason

if TYPE_CHECKING:
    from consumer.lanes import Lane

_log = structlog.get_logger()

# So many connections lost over one slice before its records are written one by one, and over one record before it is
# named: twice could be a restart of the server, and the restart of its stand-by.
_LOSSES: Final = 3
# So many tries that end the same way, where a second one should have helped.
_TRIES: Final = 5


async def apply_remedy(lane: "Lane", error: StoreError, queues: Sequence[Queue]) -> None:
    """Leave the lane so that its next transaction does the right thing about this one, which stored nothing.

    Raises:
        OperatorNeeded: there is no remedy.
    """
    if not isinstance(error, RepeatedIds):
        for queue in lane.queues.values():
            # One at a time from here on, until each has succeeded: one partition's trouble stays its own.
            queue.doubted = True
    partitions = [queue.claim.partition for queue in queues]
    # Repeats are nothing unusual: they are looked up, and counted.
    say = _log.info if isinstance(error, RepeatedIds) else _log.warning
    say("A batch was not stored", action="batch_failed", partitions=partitions, error=repr(error))
    lane.observer.failed(error)
    match error:
        case ConnectionLost():
            await _ask_what_happened(lane, queues)
        case Blocked():
            await _free_offsets(lane, queues)
        case StaleOffsets() if len(queues) == 1:
            queues[0].claim.lose()
        case DataRefused() if len(queues) == 1:
            await _find_refused(lane, queues[0], error)
        case RepeatedIds():
            for queue in queues:
                queue.look_first = True
            _try_again(lane, error, queues)
        case NewConnection() | StaleOffsets() | DataRefused():
            _try_again(lane, error, queues)
        case _:
            lane.writer.disconnect()  # a server that became read-only is no longer the right one
            _wait(queues)


def _wait(queues: Sequence[Queue]) -> None:
    now = asyncio.get_running_loop().time()
    for queue in queues:
        queue.fail(now)


def _try_again(lane: "Lane", error: StoreError, queues: Sequence[Queue]) -> None:
    """At once; but what should have helped and doesn't is a fault of ours, or somebody else writes our tables."""
    if isinstance(error, NewConnection):
        lane.writer.disconnect()
    for queue in queues:
        queue.tries += 1
        if queue.tries > _TRIES:
            raise OperatorNeeded(f"partition {queue.claim.partition}: {error}") from error


async def _ask_what_happened(lane: "Lane", queues: Sequence[Queue]) -> None:
    """An ambiguous commit: the offsets say whether it happened."""
    lane.writer.disconnect()
    try:
        offsets = await lane.writer.offsets()
    except StoreError:
        _wait(queues)  # nobody knows yet; writing again is safe, the offsets are compared
        return
    batch = [queue.slices[0] for queue in queues]
    for queue, piece in zip(queues, batch, strict=True):
        stored = offsets.get(queue.claim.partition)
        if stored is not None and stored.next_offset == piece.ends:
            queue.succeed()
        elif stored is not None and stored.next_offset == piece.begins:
            _lost_again(queue)
        else:
            queue.claim.lose()
    if all(queue.claim.next_offset == piece.ends for queue, piece in zip(queues, batch, strict=True)):
        lane.observer.stored(batch, lane.writer.outcome)


def _lost_again(queue: Queue) -> None:
    """The database answers, but not while it writes this: narrow it down to the record that may be what kills it."""
    _wait([queue])
    queue.losses += 1
    first = queue.slices[0]
    if queue.losses < _LOSSES:
        return
    if first.records > 1:
        queue.replace_first(first.split(first.records))
    elif first.records == 1:
        queue.claim.halt(
            f"the connection to PostgreSQL is lost whenever the record at offset {first.begins} is written"
        )


async def _free_offsets(lane: "Lane", queues: Sequence[Queue]) -> None:
    """A process that was stopped in mid COPY keeps its locks for ever: end its backend."""
    partitions = [queue.claim.partition for queue in queues]
    try:
        ended = await lane.writer.terminate_stalled_owner(partitions)
    except StoreError:
        ended = []
    if ended:
        _log.warning("Ended a stalled consumer's backend", action="stalled_owner", partitions=partitions, pids=ended)
    else:
        _wait(queues)


async def _find_refused(lane: "Lane", queue: Queue, error: DataRefused) -> None:
    """Set aside what PostgreSQL cannot store; where no single message shows why, halve and try again."""
    first = queue.slices[0]
    try:
        found = _make_storable(first.events) or await _set_refused_aside(lane, first)
    except StoreError:
        _wait([queue])
        return
    if found:
        return
    if len(first.events) > 1:
        queue.replace_first(first.split(2))
    elif first.events:
        first.set_aside([Letter(first.events[0].record, Reason.STORE_REJECTED, str(error))])
    else:
        raise OperatorNeeded(f"partition {queue.claim.partition}: {error}") from error


def _make_storable(events: Sequence[Event]) -> bool:
    """Give events that JSONB cannot hold exactly a value that it can, and keep their bytes as `raw`."""
    changed = False
    for event in events:
        value = without_unstorable(event.value)
        if value is not event.value:
            event.raw, event.value, changed = event.value, value, True
    return changed


async def _set_refused_aside(lane: "Lane", piece: Slice) -> bool:
    refused = await lane.writer.refused_values([event.value for event in piece.events])
    events = piece.events
    piece.set_aside([Letter(events[at].record, Reason.STORE_REJECTED, why) for at, why in refused.items()])
    return bool(refused)
