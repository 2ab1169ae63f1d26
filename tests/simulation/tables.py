"""What PostgreSQL keeps: committed rows, and transactions with their locks.

READ COMMITTED: a statement sees what is committed when it begins, and its own transaction's rows; a row that another
transaction holds is waited for, and looked at again. `test_the_model_and_postgresql_agree` holds it to the real one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from consumer.errors import ConsumerError
from consumer.postgres.sqlstate import translate

Key = tuple[Any, ...]


def refusal(sqlstate: str, message: str, constraint: str | None = None) -> ConsumerError:
    return translate(sqlstate, message, constraint)


class Tables:
    """All committed rows, by table and key.

    Attributes:
        committing: told of each transaction in the moment in which it takes effect.
    """

    def __init__(self, lock_timeout_s: float) -> None:
        self.lock_timeout_s = lock_timeout_s
        self.rows: dict[str, dict[Key, Any]] = defaultdict(dict)
        self.locks: dict[tuple[str, Key], Transaction] = {}
        self.committing: list[Callable[[Transaction], None]] = []
        self.open: set[Transaction] = set()


class Transaction:
    """One transaction of the server's.

    Attributes:
        moves: how far it has moved the offsets of which partitions.
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
        tables.open.add(self)

    def get(self, table: str, key: Key) -> Any:
        """The row as this transaction sees it now; None if there is none."""
        own = self._written[table].get(key)
        return own if own is not None else self._tables.rows[table].get(key)

    def committed(self, table: str, key: Key) -> Any:
        return self._tables.rows[table].get(key)

    def all(self, table: str) -> dict[Key, Any]:
        return {**self._tables.rows[table], **self._written[table]}

    def put(self, table: str, key: Key, row: Any) -> None:
        """Write a row that is locked."""
        assert self._tables.locks[table, key] is self
        self._written[table][key] = row

    def holds(self, table: str, key: Key) -> bool:
        return self._tables.locks.get((table, key)) is self

    async def lock(self, table: str, key: Key) -> None:
        """Wait for whoever holds the row, or is making it.

        Raises:
            Blocked: it took longer than lock_timeout.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._tables.lock_timeout_s
        while (holder := self._tables.locks.get((table, key))) not in (None, self):
            assert holder is not None
            try:
                await asyncio.wait_for(holder.ended.wait(), until - loop.time())
            except TimeoutError:
                raise refusal("55P03", "canceling statement due to lock timeout") from None
        if (table, key) not in self._tables.locks:
            self._tables.locks[table, key] = self
            self._locks.append((table, key))

    async def insert(self, table: str, key: Key, row: Any) -> bool:
        """Insert a row if there is none of that key; says whether."""
        if self.get(table, key) is not None:
            return False
        await self.lock(table, key)
        if self.get(table, key) is not None:
            return False
        self.put(table, key, row)
        return True

    def commit(self) -> None:
        for told in self._tables.committing:
            told(self)
        for table, rows in self._written.items():
            self._tables.rows[table].update(rows)
        self._end()

    def rollback(self) -> None:
        self._end()

    def _end(self) -> None:
        for lock in self._locks:
            del self._tables.locks[lock]
        self._locks.clear()
        self._tables.open.discard(self)
        self.ended.set()
