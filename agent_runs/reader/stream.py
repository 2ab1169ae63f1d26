"""A long result that is read page by page."""

from collections.abc import AsyncIterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Stream(Generic[_T]):
    """An asynchronous iterator over the items of pages; at most one page is in memory.

    Attributes:
        pages: iterates over the pages instead; use either, not both.
    """

    def __init__(self, pages: AsyncIterator[list[_T]]) -> None:
        self.pages = pages
        # Not a method: its frame would refer to this object, and the page of a stream that is left before its end would
        # stay in memory until the garbage collector finds the circle.
        self._items = _items_of(pages)

    def __aiter__(self) -> AsyncIterator[_T]:
        """Return the iterator over the items."""
        return self._items

    async def __anext__(self) -> _T:
        """Return the next item."""
        return await anext(self._items)


async def _items_of(pages: AsyncIterator[list[_T]]) -> AsyncIterator[_T]:
    async for page in pages:
        for item in page:
            yield item
