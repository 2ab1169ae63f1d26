"""`run --until-end`: done when what was in the log at the start is stored, by whomever."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from typing import Final

from consumer.errors import GaveUp, OperatorNeeded, Unavailable
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.partitions.ownership import lost_offsets
from consumer.postgres.store import Offsets, Store
from consumer.runtime.retrying import retry_while_unavailable
from consumer.telemetry.observer import Observer

_POLL_S: Final = 0.1


async def wait_until_stored(
    ends: Mapping[int, Bounds],
    connect: Callable[[], Awaitable[Store]],
    observer: Observer,
    log: TopicReader,
    give_up_s: float,
) -> None:
    """Return once the stored offsets have reached `ends`.

    Raises:
        OperatorNeeded: the others have, but some partitions are halted, or stand beyond a log that is another.
        GaveUp: nothing has moved for `give_up_s` seconds.
    """
    offsets = await _reached(ends, connect, observer, give_up_s)
    halted = observer.halted()
    # A partition of a topic made anew may stand behind the new log's end already: nobody needs to have claimed it yet.
    lost = await retry_while_unavailable(
        lambda: _lost(ends.keys() & offsets.keys(), offsets, log), "look for losses", give_up_s
    )
    if problems := halted | lost:
        raise OperatorNeeded("; ".join(f"partition {number}: {reason}" for number, reason in sorted(problems.items())))


async def _reached(
    ends: Mapping[int, Bounds], connect: Callable[[], Awaitable[Store]], observer: Observer, give_up_s: float
) -> dict[int, Offsets]:
    """The stored offsets, once they have reached `ends`, partitions that are halted apart."""
    offsets: dict[int, Offsets] = {}
    moved_at = time.monotonic()
    async with aclosing(_poll(connect)) as polls:
        async for seen in polls:
            if seen is not None and seen != offsets:
                offsets, moved_at = seen, time.monotonic()
            behind = _behind(ends, offsets, observer)
            if not behind:
                break
            if time.monotonic() - moved_at > give_up_s:
                raise GaveUp(f"partitions {behind} have not moved for {give_up_s:g} s")
    return offsets


async def _poll(connect: Callable[[], Awaitable[Store]]) -> AsyncGenerator[dict[int, Offsets] | None, None]:
    """The stored offsets, again and again; None while PostgreSQL is away."""
    store: Store | None = None
    try:
        while True:
            try:
                store = store if store is not None and store.usable else await connect()
                yield await store.offsets()
            except Unavailable:
                yield None
            await asyncio.sleep(_POLL_S)
    finally:
        if store is not None:
            store.terminate()


def _behind(ends: Mapping[int, Bounds], offsets: Mapping[int, Offsets], observer: Observer) -> list[int]:
    halted = observer.halted()
    return [
        partition
        for partition, bounds in ends.items()
        if partition not in halted
        and (offsets[partition].next_offset if partition in offsets else bounds.begins) < bounds.ends
    ]


async def _lost(partitions: Collection[int], offsets: Mapping[int, Offsets], log: TopicReader) -> dict[int, str]:
    bounds = await log.bounds(partitions)
    found = {number: await lost_offsets(offsets[number], bounds[number], log) for number in partitions}
    return {number: problem for number, problem in found.items() if problem is not None}
