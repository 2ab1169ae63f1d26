"""`run --until-end`: waits until the records that were in the log at the start are stored, by any consumer."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Final

from consumer.errors import GaveUp, NewConnection, OperatorNeeded, Unavailable
from consumer.kafka.topic_reader import Bounds, TopicReader
from consumer.partitions.lost_offsets import lost_offsets
from consumer.postgres.session import Session
from consumer.postgres.store import Offsets, Store
from consumer.runtime.retrying import retry_while_unavailable
from consumer.telemetry.observer import Observer

_POLL_S: Final = 0.1


async def wait_until_stored(
    ends: Mapping[int, Bounds],
    session: Session,
    observer: Observer,
    topic_reader: TopicReader,
    give_up_s: float,
) -> None:
    """Return when the stored offsets have reached the `end_offset` of every partition in `ends`.

    Raises:
        OperatorNeeded: partitions are halted, or the log no longer holds the records after their stored offsets. All
            other partitions have reached their ends.
        GaveUp: no stored offset has moved for `give_up_s` seconds.
    """
    try:
        offsets = await _reached(ends, session, observer, give_up_s)
    finally:
        session.close()
    halted = observer.halted()
    # The stored offset of a topic that was deleted and created again may be behind the new log's end. Such a
    # partition counts as reached, even if no consumer has started it and found the difference.
    lost = await retry_while_unavailable(
        lambda: _lost(ends.keys() & offsets.keys(), offsets, topic_reader), "look for lost offsets", give_up_s
    )
    if problems := halted | lost:
        raise OperatorNeeded("; ".join(f"partition {number}: {reason}" for number, reason in sorted(problems.items())))


async def _reached(
    ends: Mapping[int, Bounds], session: Session, observer: Observer, give_up_s: float
) -> dict[int, Offsets]:
    """Return the stored offsets when all partitions that are not halted have reached their ends."""
    offsets: dict[int, Offsets] = {}
    moved_at = time.monotonic()
    while True:
        stored = await _stored_offsets(session)
        if stored is not None and stored != offsets:
            offsets, moved_at = stored, time.monotonic()
        behind = _behind(ends, offsets, observer)
        if not behind:
            return offsets
        if time.monotonic() - moved_at > give_up_s:
            raise GaveUp(f"partitions {behind} have not moved for {give_up_s:g} s")
        await asyncio.sleep(_POLL_S)


async def _stored_offsets(session: Session) -> dict[int, Offsets] | None:
    """Return the stored offsets; None while PostgreSQL is unavailable."""
    try:
        return await session.run(Store.offsets)
    except (Unavailable, NewConnection):
        session.close()
        return None


def _behind(ends: Mapping[int, Bounds], offsets: Mapping[int, Offsets], observer: Observer) -> list[int]:
    halted = observer.halted()
    return [
        partition
        for partition, bounds in ends.items()
        if partition not in halted
        and (offsets[partition].next_offset if partition in offsets else bounds.start_offset) < bounds.end_offset
    ]


async def _lost(
    partitions: Collection[int], offsets: Mapping[int, Offsets], topic_reader: TopicReader
) -> dict[int, str]:
    bounds = await topic_reader.bounds(partitions)
    found = {number: await lost_offsets(offsets[number], bounds[number], topic_reader) for number in partitions}
    return {number: problem for number, problem in found.items() if problem is not None}
