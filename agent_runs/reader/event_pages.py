"""Reads the events of a run page by page."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from agent_runs.reader.connections import Connections, Row, time_of
from agent_runs.reader.errors import DatabaseNotReady, DatabaseUnavailable, ReaderError
from agent_runs.reader.follow import Poll
from agent_runs.reader.stored_events import StoredEvent, event_of_message

# The limits of a page: events, and bytes as PostgreSQL stores them. Compressed text is two to ten times as long.
MAX_EVENTS: Final = 1000
MAX_STORED_BYTES: Final = 512 * 1024
# Events that are decoded and yielded together. Between two such parts, the event loop continues to read the next page.
# A whole page takes a quarter more processor time per event: then its events are no longer in the processor's cache.
_EVENTS_PER_PART: Final = 64


class EventQuery(NamedTuple):
    """Which events of which run.

    Attributes:
        until: the number of the last event. None: the last one that is stored.
        types: only events of these types. None: of all types.
    """

    run_id: str
    until: int | None = None
    types: Collection[str] | None = None


class _Page(NamedTuple):
    """The rows of some events.

    Attributes:
        error: why PostgreSQL could not return the message of the only row; "" if it returned all messages.
    """

    rows: Sequence[Row]
    error: str = ""

    @property
    def last_seq(self) -> int:
        return int(self.rows[-1]["event_seq"])

    def parts(self) -> Iterator[list[StoredEvent]]:
        """Decode the events, some at a time."""
        for start in range(0, len(self.rows), _EVENTS_PER_PART):
            yield [event_of_row(row, self.error) for row in self.rows[start : start + _EVENTS_PER_PART]]


async def event_pages(connections: Connections, query: EventQuery, after: int) -> AsyncIterator[list[StoredEvent]]:
    """Iterate over the events of a run that are stored now, some at a time.

    Each page is a transaction of its own. Events are never changed, and a batch is stored by one transaction, so the
    pages together are the run as of the last one. From the second page on, the next one is read while a page is
    decoded: PostgreSQL and this process then work at the same time. Most runs are one page.

    Args:
        connections: the pool.
        query: which events.
        after: the number of the event before the first one; -1 for all events.
    """
    page = await _read_page(connections, query, after, MAX_EVENTS)
    for events in page.parts():
        yield events
    page = await _read_page(connections, query, page.last_seq, MAX_EVENTS) if page.rows else page
    while page.rows:
        ahead = asyncio.create_task(_read_page(connections, query, page.last_seq, MAX_EVENTS))
        try:
            for events in page.parts():
                await asyncio.sleep(0)  # the task `ahead` sends its next statement, or receives rows
                yield events
            page = await ahead
        finally:
            ahead.cancel()  # the caller may stop before the end
            await asyncio.gather(ahead, return_exceptions=True)


async def follow_pages(
    connections: Connections, query: EventQuery, after: int, poll: Poll
) -> AsyncIterator[list[StoredEvent]]:
    """Iterate over the pages of a run's events, and wait for those that are not stored yet.

    Ends with the event `until` of the query; otherwise never. The run need not exist yet.

    Args:
        connections: the pool.
        query: which events.
        after: the number of the event before the first page; -1 for all events.
        poll: the waits.
    """
    every_type = query._replace(types=None)  # otherwise each poll would read the events of other types again
    while query.until is None or after < query.until:
        page = await poll.ask(partial(_read_page, connections, every_type, after, MAX_EVENTS))
        if page.rows:
            poll.has_news()
            after = page.last_seq
            for events in page.parts():
                yield [event for event in events if query.types is None or event.type in query.types]
        else:
            await poll.wait()


async def _read_page(connections: Connections, query: EventQuery, after: int, count: int) -> _Page:
    """Return the rows of the next events, at most `count`; none at the end of the run.

    PostgreSQL may fail to return a message, for example if a number in it has more digits than a text may have. Then
    the events before it are a page, and the event comes without its message.
    """
    if query.until is not None and after >= query.until:
        return _Page([])
    types = None if query.types is None else list(query.types)
    try:
        return _Page(
            await connections.fetch("page_of_events", query.run_id, after, query.until, types, count, MAX_STORED_BYTES)
        )
    except (DatabaseUnavailable, DatabaseNotReady):
        raise
    except ReaderError as error:
        if count > 1:
            return await _read_page(connections, query, after, max(1, count // 8))
        rows = await connections.fetch("event_without_message", query.run_id, after, query.until, types)
        return _Page(rows, str(error))


def event_of_row(row: Row, error: str = "") -> StoredEvent:
    """Return the event of a row."""
    raw = row["raw"]
    event = event_of_message(
        row["message"] if raw is None else raw,
        id=row["id"],
        parent_event_id=row["parent_event_id"],
        type=row["event_type"],
        error=error,
    )
    return StoredEvent(
        seq=row["event_seq"],
        created_at=time_of(row, "created_at"),
        partition=row["source_partition"],
        offset=row["source_offset"],
        event=event,
        raw=raw,
    )
