"""The structure of a run: one line for each event, without its payload."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import msgspec

from agent_runs.reader import Reader, StoredEvent
from agent_runs.reader.event_text import event_text

MAX_LINES: Final = 500
_MAX_SUMMARY: Final = 240  # characters


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """An event without its payload.

    Attributes:
        seq: its number in the run.
        id: its id.
        parent_event_id: the id of the event of the same run that caused it.
        type: its type, such as `tool_requested`.
        created_at: the record's timestamp.
        summary: what it says, on one line, cut to 240 characters.
        size: the bytes of its message.
    """

    seq: int
    id: str
    parent_event_id: str | None
    type: str
    created_at: datetime
    summary: str
    size: int


class EventLines(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the structure of a run.

    Attributes:
        events: the events in the order of `seq`.
        after: pass it as `after` for the next page, which may be empty; None if this page is not full.
    """

    events: list[EventLine]
    after: int | None


def line_of(stored: StoredEvent) -> EventLine:
    """Return an event without its payload."""
    event = stored.event
    text = event_text(event)
    return EventLine(
        seq=stored.seq,
        id=event.id,
        parent_event_id=event.parent_event_id,
        type=stored.type,
        created_at=stored.created_at,
        summary=text if len(text) <= _MAX_SUMMARY else f"{text[: _MAX_SUMMARY - 1]}…",
        size=len(event.original or b""),
    )


async def read_lines(reader: Reader, run_id: str, after: int, limit: int, types: Collection[str] | None) -> EventLines:
    """Return the lines of at most `limit` events after a number; of these types, or of all."""
    lines: list[EventLine] = []
    # A page of the reader is bounded in bytes, so that large events come as several pages.
    until = None if types else min(after + limit, 2**31 - 1)
    pages = reader.get_run_events(run_id, after=after, until=until, types=types).pages
    async for page in pages:
        lines += map(line_of, page[: limit - len(lines)])
        if len(lines) == limit:
            break
    return EventLines(events=lines, after=lines[-1].seq if len(lines) == limit else None)
