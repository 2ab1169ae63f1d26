"""Finds the members whose process has ended, by the sessions that they have in PostgreSQL.

Each consumer holds one session with an advisory lock on a random number, its token, and sends the token to the group's
coordinator, where all members read it. When a process ends, the kernel closes its connections, PostgreSQL ends the
session, and the lock is free: seconds before the coordinator misses the member's heartbeats. A process that is stopped,
or whose machine vanishes, keeps its session, so it is left to the coordinator.
"""

import time
from collections.abc import Sequence
from typing import Final

import structlog

from consumer.model.members import Member
from consumer.postgres.deadline import with_deadline
from consumer.postgres.session import Connect, Session
from consumer.postgres.store import Store

_log = structlog.get_logger()

# A lock must be free for this time: a consumer whose connection was cut has a new session sooner.
_FREE_S: Final = 0.5
# A consumer that has lost its session twice within this time does not lock its token again before the time is over.
# Without its lock it is not removed from the group, so a connection that is cut again and again causes few rebalances.
_RELOCK_INTERVAL_S: Final = 60.0


class ProcessSessions:
    """Holds the session of this process, and looks at the locks of other processes. For one task at a time."""

    def __init__(self, connect: Connect, timeout_s: float, token: int) -> None:
        self._session = Session(connect, timeout_s)
        self._timeout_s = timeout_s
        self._token = token
        self._store: Store | None = None
        self._pooled = self._locked = self._lost = False
        self._relock_at = 0.0
        # By member id: since when its lock is free; None while it is held. A member whose lock was not seen held over
        # the present session is missing: perhaps it writes to another database, or waits for its session.
        self._free_since: dict[str, float | None] = {}

    async def ended(self, members: Sequence[Member]) -> list[Member]:
        """Return the members whose process has ended; none behind a connection pooler, which keeps sessions open.

        Opens the session and locks the token of this process if necessary. Must be called several times a second.

        Raises:
            StoreError: PostgreSQL is not available; call `close`.
            OperatorNeeded: the login may not use advisory locks.
        """
        store = await self._session.connected()
        if store is not self._store:
            await self._begin(store)
        if self._pooled:
            return []
        now = time.monotonic()
        if not self._locked and now >= self._relock_at:
            await with_deadline(store.fetch("lock_token", self._token), store.terminate, self._timeout_s)
            self._locked = True
            self._relock_at = now + _RELOCK_INTERVAL_S if self._lost else now
        others = {member.member_id: member for member in members if member.token not in (None, self._token)}
        self._free_since = {id_: since for id_, since in self._free_since.items() if id_ in others}
        tokens = [member.token for member in others.values()]
        rows = await with_deadline(store.fetch("free_tokens", tokens), store.terminate, self._timeout_s)
        free = {row["token"] for row in rows}
        return [member for member in others.values() if self._has_ended(member, now, is_free=member.token in free)]

    async def _begin(self, store: Store) -> None:
        """Begin with a new session: what was seen over an earlier one does not count."""
        self._free_since.clear()
        self._locked, self._lost = False, self._lost or self._locked
        (backend,) = await with_deadline(store.fetch("backend_pid"), store.terminate, self._timeout_s)
        self._pooled = backend["pid"] != store.backend_pid
        self._store = store

    def _has_ended(self, member: Member, now: float, *, is_free: bool) -> bool:
        if not is_free:
            if member.member_id not in self._free_since:
                _log.debug("Another consumer holds its lock", action="group_watch", member=member.member_id)
            self._free_since[member.member_id] = None
        elif member.member_id in self._free_since:
            since = self._free_since[member.member_id] or now
            self._free_since[member.member_id] = since
            return now - since >= _FREE_S
        return False

    def close(self) -> None:
        """Cut the connection, which releases the lock. The next call of `ended` opens a new session."""
        self._session.close()
