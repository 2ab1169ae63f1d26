"""`run --until-end`: done when what was in the log at the start is stored, by whomever."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from consumer.errors import GaveUp, Unavailable
from consumer.log import Bounds
from consumer.observe import Observer
from consumer.store import Offsets, Store

_POLL_S: Final = 0.1


async def reach(
    ends: Mapping[int, Bounds], connect: Callable[[], Awaitable[Store]], observer: Observer, give_up_s: float
) -> None:
    """Return once the stored offsets have reached `ends`, partitions that are halted apart.

    Raises:
        GaveUp: nothing has moved for `give_up_s` seconds.
    """
    store: Store | None = None
    offsets: dict[int, Offsets] = {}
    moved_at = time.monotonic()
    try:
        while True:
            try:
                store = store if store is not None and store.usable else await connect()
                before, offsets = offsets, await store.offsets()
            except Unavailable:
                before = offsets
            behind = _behind(ends, offsets, observer)
            if not behind:
                return
            if offsets != before:
                moved_at = time.monotonic()
            if time.monotonic() - moved_at > give_up_s:
                raise GaveUp(f"partitions {behind} have not moved for {give_up_s:g} s")
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
