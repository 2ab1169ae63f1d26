"""The group coordinator: members, sessions, rebalances and committed offsets."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiokafka.errors import CommitFailedError, KafkaConnectionError

TICK_S = 0.1


class Member(Protocol):
    """A client that has joined, with its timeouts in seconds."""

    session_s: float
    rebalance_s: float


class Group:
    """Eager rebalancing, as in aiokafka: all partitions are revoked before any is assigned.

    Attributes:
        available: whether the broker answers.
        committed: the committed offset of each partition.
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._seen: dict[Member, float] = {}
        self._joining: dict[Member, asyncio.Future[list[int]]] = {}
        self._deadline: float | None = None  # of the rebalance under way
        self.available = True
        self.committed: dict[int, int] = {}
        self.rebalances = 0

    async def join(self, member: Member) -> list[int]:
        """Join, wait for the other members or the rebalance deadline, and return the assigned partitions."""
        self._answer()
        self._seen[member] = _now()
        self.rebalance()
        joined = self._joining[member] = asyncio.get_running_loop().create_future()
        self._complete_if_all_joined()
        partitions: list[int] = await joined
        return partitions

    def leave(self, member: Member) -> None:
        self._answer()
        self._forget(member)

    def heartbeat(self, member: Member) -> bool:
        """Record a heartbeat. Returns False if the member has to rejoin."""
        self._answer()
        if member not in self._seen:
            return False
        self._seen[member] = _now()
        return self._deadline is None

    def commit(self, member: Member, offsets: dict[int, int]) -> None:
        self._answer()
        if member not in self._seen or self._deadline is not None:
            raise CommitFailedError
        self.committed |= offsets

    def rebalance(self) -> None:
        """Start a rebalance, unless one is under way."""
        if self._deadline is None:
            self._deadline = _now() + max((member.rebalance_s for member in self._seen), default=0.0)
            self.rebalances += 1

    def set_available(self, available: bool) -> None:
        """Start or stop answering. Every session then restarts with its full timeout."""
        self.available = available
        self._seen = dict.fromkeys(self._seen, _now())

    async def watch(self) -> None:
        """Remove members whose session has expired, and complete rebalances at their deadline. Runs until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            if not self.available:
                continue
            now = _now()
            for member, seen in list(self._seen.items()):
                if member not in self._joining and now - seen > member.session_s:
                    self._forget(member)
            if self._deadline is not None and now > self._deadline:
                for member in self._seen.keys() - self._joining.keys():
                    del self._seen[member]
                self._complete_if_all_joined()

    def _answer(self) -> None:
        if not self.available:
            raise KafkaConnectionError

    def _forget(self, member: Member) -> None:
        self._joining.pop(member, None)
        if self._seen.pop(member, None) is not None:
            self.rebalance()
            self._complete_if_all_joined()

    def _complete_if_all_joined(self) -> None:
        if self._deadline is None or self._seen.keys() != self._joining.keys():
            return
        self._deadline = None
        members, self._joining = self._joining, {}
        self._seen = dict.fromkeys(self._seen, _now())
        for number, joined in enumerate(members.values()):
            if not joined.done():
                joined.set_result(list(range(number, self._partitions, len(members))))


def _now() -> float:
    return asyncio.get_running_loop().time()
