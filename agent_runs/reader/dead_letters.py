"""Reads dead letters: the records that were refused, and why. Only `agent-runs-consumer dead-letters` changes them."""

from datetime import datetime
from typing import Final

import msgspec

from agent_runs.reader.connections import Connections
from agent_runs.reader.cursor import Position, decode_cursor, encode_cursor
from agent_runs.reader.errors import InvalidCursor
from agent_runs.reader.store_status import MAX_COUNTED_LETTERS

MAX_VALUE: Final = 256 * 1024  # bytes of a value that are read


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was refused.

    Attributes:
        id: the number that `agent-runs-consumer dead-letters` uses for it.
        topic: the topic of the record.
        partition: its partition.
        record_offset: its offset.
        record_timestamp: its timestamp; None outside the years 1 to 9999.
        key: the first 1,000 bytes of its key; None if it has none.
        value_bytes: the size of its value; None if it has none.
        value: the first 256 KiB of its value; None on a page of a list.
        reason: why it was refused the last time, as `docs/publishing.md` lists the reasons.
        detail: what exactly is wrong with it.
        state: `open`, `resolved` or `discarded`.
        retries: how many retries have refused it again.
        created_at: when it was refused first, by PostgreSQL's clock.
        updated_at: when it was changed last.
        offset_count: for how many offsets it stands; more than 1 for a batch that cannot be split into records.
    """

    id: int
    topic: str
    partition: int
    record_offset: int
    record_timestamp: datetime | None
    key: bytes | None
    value_bytes: int | None
    value: bytes | None
    reason: str
    detail: str
    state: str
    retries: int
    created_at: datetime
    updated_at: datetime
    offset_count: int


class DeadLetterPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the open dead letters, newest first.

    Attributes:
        letters: the dead letters of this page, without their values.
        cursor: pass it to the same function for the next page; None on the last page.
    """

    letters: list[DeadLetter]
    cursor: str | None = None


class DeadLetters:
    """The dead letters of a database.

    Args:
        connections: to the database.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def list_open(
        self, reason: str | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> DeadLetterPage:
        """Return a page of the open dead letters.

        Args:
            reason: only those with this reason. None: all.
            limit: how many dead letters a page has.
            cursor: the `cursor` of the previous page. None: the first page.

        Raises:
            InvalidCursor: no page has returned this cursor.
        """
        after = (None, None) if cursor is None else _place(cursor)
        rows = await self._connections.fetch("list_dead_letters", reason, *after, limit + 1)
        letters = [DeadLetter(**row) for row in rows[:limit]]
        last = encode_cursor(Position(letters[-1].created_at, str(letters[-1].id))) if len(rows) > limit else None
        return DeadLetterPage(letters=letters, cursor=last)

    async def get(self, id: int) -> DeadLetter | None:
        """Return a dead letter with its value; None if it does not exist."""
        rows = await self._connections.fetch("dead_letter", id, MAX_VALUE)
        return DeadLetter(**rows[0]) if rows else None

    async def count_by_reason(self) -> dict[str, int]:
        """Return how many dead letters are open, by reason; of more than 10,000, only 10,001 are counted."""
        rows = await self._connections.fetch("count_dead_letters", MAX_COUNTED_LETTERS + 1)
        return {row["reason"]: row["open"] for row in rows}


def _place(cursor: str) -> tuple[datetime, int]:
    at, number = decode_cursor(cursor)
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise InvalidCursor(f"{cursor!r} is not the cursor of a page of dead letters")
    return at, int(number)
