"""A model of PostgreSQL's storage: committed rows, and transactions with row locks.

The isolation level is READ COMMITTED: a statement sees the rows committed when it starts and those of its own
transaction. It waits for a row that another transaction has locked, and then reads the row again.
`test_postgres_model_*` compare this model with a real server.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from consumer.errors import ConsumerError
from consumer.postgres.sqlstate import Origin, translate
from tests.checker.strict_json import Json, NotJson, parse, storable_text

Key = tuple[Any, ...]


def sql_error(sqlstate: str, message: str, constraint: str | None = None) -> ConsumerError:
    return translate(sqlstate, message, Origin(constraint=constraint or ""))


class OffsetsRow(NamedTuple):
    first_offset: int
    next_offset: int
    last_offset: int | None
    last_timestamp: int | None
    repeats: int


class RunRow(NamedTuple):
    status: str
    event_count: int
    created_at: int
    updated_at: int
    status_changed_at: int
    dropped_events: int = 0
    started_at: int | None = None
    agent_id: str = "unknown"
    session_id: str | None = None
    parent_run_id: str | None = None
    completed_by_tool: bool = False
    open_questions: bytes = b"[]"
    answered_questions: bytes = b"[]"
    labels: bytes = b"{}"


class EventRow(NamedTuple):
    event_seq: int
    source_partition: int
    source_offset: int
    created_at: int
    id: str
    run_id: str
    event_type: str
    parent_event_id: str | None
    raw: bytes | None
    event_data: bytes


class DeadLetterRow(NamedTuple):
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: bytes
    reason: str
    detail: str
    offset_count: int
    omitted_headers: int


@lru_cache(maxsize=500)
def jsonb(text: bytes) -> Json:
    """The JSON value of a text, if a JSONB column can hold it.

    Raises:
        DataRefused: JSONB cannot hold it.
    """
    try:
        decoded = text.decode()
        document = parse(decoded)
    except (UnicodeDecodeError, NotJson) as error:
        raise sql_error("22P02", f"invalid input syntax for type json: {error}") from error
    if storable_text(decoded) != decoded:
        raise sql_error("22P05", "unsupported Unicode escape sequence")
    if not document.fits_jsonb:
        raise sql_error("22003", "value overflows numeric format")
    return document.value


class Tables:
    """All committed rows, by table and key.

    Attributes:
        locks: the transaction that holds each row lock, by table and key.
        on_commit: functions that are called with each transaction just before its rows become visible.
    """

    def __init__(self, lock_timeout_s: float) -> None:
        self.lock_timeout_s = lock_timeout_s
        self.rows: dict[str, dict[Key, Any]] = defaultdict(dict)
        self.locks: dict[tuple[str, Key], Transaction] = {}
        self.on_commit: list[Callable[[Transaction], None]] = []


class Transaction:
    """One transaction.

    Attributes:
        moves: by partition, from where to where it has moved the stored offset.
    """

    def __init__(self, tables: Tables, pid: int) -> None:
        self._tables = tables
        self.pid = pid
        self.began_at = asyncio.get_running_loop().time()
        self._written: dict[str, dict[Key, Any]] = defaultdict(dict)
        self._locks: list[tuple[str, Key]] = []
        self.moves: dict[int, tuple[int, int]] = {}
        self.failed = False
        self.ended = asyncio.Event()

    def get(self, table: str, key: Key) -> Any:
        """The row as this transaction sees it, None if there is none."""
        own = self._written[table].get(key)
        return own if own is not None else self._tables.rows[table].get(key)

    def committed(self, table: str, key: Key) -> Any:
        return self._tables.rows[table].get(key)

    def all(self, table: str) -> dict[Key, Any]:
        return {**self._tables.rows[table], **self._written[table]}

    def put(self, table: str, key: Key, row: Any) -> None:
        """Write a row that this transaction has locked."""
        assert self._tables.locks[table, key] is self
        self._written[table][key] = row

    async def lock(self, table: str, key: Key) -> None:
        """Lock a row or a key, after waiting for the transaction that has locked or is inserting it.

        Raises:
            Blocked: the wait exceeded lock_timeout.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._tables.lock_timeout_s
        while (holder := self._tables.locks.get((table, key))) not in (None, self):
            assert holder is not None
            try:
                await asyncio.wait_for(holder.ended.wait(), until - loop.time())
            except TimeoutError:
                raise sql_error("55P03", "canceling statement due to lock timeout") from None
        if self.ended.is_set():
            # The backend ended during the wait. `wait_for` of Python 3.11 drops the cancellation if the wait ends at
            # the same moment. An ended transaction never releases a lock, so it must not take one.
            raise asyncio.CancelledError
        if (table, key) not in self._tables.locks:
            self._tables.locks[table, key] = self
            self._locks.append((table, key))

    async def insert(self, table: str, key: Key, row: Any) -> bool:
        """Insert a row unless the key exists (ON CONFLICT DO NOTHING). Returns whether it was inserted."""
        if self.get(table, key) is not None:
            return False
        await self.lock(table, key)
        if self.get(table, key) is not None:
            return False
        self.put(table, key, row)
        return True

    def commit(self) -> None:
        for callback in self._tables.on_commit:
            callback(self)
        for table, rows in self._written.items():
            self._tables.rows[table].update(rows)
        self._end()

    def rollback(self) -> None:
        self._end()

    def _end(self) -> None:
        for lock in self._locks:
            del self._tables.locks[lock]
        self._locks.clear()
        self.ended.set()
