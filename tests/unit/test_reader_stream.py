"""The streams of the reader."""

import gc
import weakref
from collections.abc import AsyncIterator

from agent_runs.reader import Stream
from tests.support.waiting import until


class Item:
    """Something that may be large."""


async def test_a_stream_that_is_left_before_its_end_keeps_no_page_in_memory() -> None:
    items: list[weakref.ref[Item]] = []

    async def pages() -> AsyncIterator[list[Item]]:
        while True:
            page = [Item()]
            items.append(weakref.ref(page[0]))
            yield page

    async def first() -> None:
        async for _ in Stream(pages()):
            return

    gc.disable()
    try:
        await first()
        await until(lambda: [item() for item in items] == [None], "the event loop has closed the iterators")
    finally:
        gc.enable()
