"""The consumers of a round: as many as there should be, and what is watched of them all the while."""

from __future__ import annotations

import asyncio
from asyncio import IncompleteReadError
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from time import monotonic

import psutil

from deploy.local.ports import HOST, free_port
from tests.nemesis.faults.operators import SMALL_BYTES
from tests.nemesis.world import Room
from tests.support.consumer_process import ConsumerProcess
from tests.support.scene import SETTINGS
from tests.support.waiting import until

SIZE = 3
STALL_S = 5.0
DATABASE_S = 6.0
# What a SIGTERM may take: the transaction under way, advice to Kafka, leaving the group, and the log's client; each has
# a deadline of its own, and the machine is busy.
GRACE_S = 25.0
RSS_BUDGET = 250 * 1024 * 1024
LOOK_EVERY_S = 0.5
ANSWER_S = 2.0

# On top of the scene's: batches that let a backlog be caught up with; and the patience of a machine that is busy.
FLEET_SETTINGS = {
    **SETTINGS,
    "AGENT_RUNS_BATCH_RECORDS": "200",
    "AGENT_RUNS_DATABASE_TIMEOUT_S": f"{DATABASE_S:g}",
    "AGENT_RUNS_LOCK_TIMEOUT_S": "1",
    "AGENT_RUNS_STALLED_OWNER_S": "2",
    "AGENT_RUNS_STALL_S": f"{STALL_S:g}",
    "AGENT_RUNS_MAX_EVENT_BYTES": str(SMALL_BYTES),
    "AGENT_RUNS_BREAKER_SHARE": "1",  # every third record here is no event
}


@dataclass(eq=False)
class Member:
    """One consumer. `expected_to_end`: by what we do to it; otherwise none ends."""

    consumer: ConsumerProcess
    port: int
    expected_to_end: bool = False
    red_at: float = 0.0

    async def healthy(self) -> bool | None:
        """What it says of itself; None when it does not say."""
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
                    return (await reader.readuntil(b"\r\n")).split()[1] == b"200"
                finally:
                    writer.close()
        except (OSError, TimeoutError, IncompleteReadError):
            return None


class Fleet:
    """Members, of whom the first is never replaced: whatever leaks shows in it.

    Attributes:
        rss: the most that any of them had.
        longest_end_s: of those that were told to end.
        findings: what is wrong with what was seen.
    """

    def __init__(self, room: Room) -> None:
        self.members: list[Member] = []
        self.rss = 0
        self.longest_end_s = 0.0
        self.findings: list[str] = []
        self._scene = room.wired

    @property
    def elder(self) -> Member:
        return self.members[0]

    def join(self, fault: str = "") -> Member:
        """One more; one that breaks somewhere, when it says where."""
        port = free_port()
        consumer = self._scene.start(fault=fault, **FLEET_SETTINGS, AGENT_RUNS_HTTP_PORT=str(port))
        self.members.append(Member(consumer, port, expected_to_end="SIGKILL" in fault))
        return self.members[-1]

    def victim(self, rng: Random) -> Member:
        """Any but the elder."""
        return rng.choice(self.members[1:])

    def kill(self, member: Member) -> None:
        """SIGKILL."""
        member.expected_to_end = True
        member.consumer.kill()
        self.members.remove(member)

    async def terminate(self, member: Member) -> None:
        """SIGTERM. It has to leave in good order and in time, whatever is broken meanwhile."""
        if member in self.members:
            self.members.remove(member)
        # Without a word yet it may not listen.
        await until(lambda: bool(member.consumer.output) or not member.consumer.alive, "a consumer says something")
        member.expected_to_end = True
        began = monotonic()
        try:
            await member.consumer.terminated(GRACE_S)
        except AssertionError as error:
            self.findings.append(f"L4: after SIGTERM: {error}")
            member.consumer.kill()
        self.longest_end_s = max(self.longest_end_s, monotonic() - began)

    async def end(self) -> None:
        """SIGTERM to all."""
        await asyncio.gather(*[self.terminate(member) for member in list(self.members)])

    async def watch(self) -> None:
        """Until cancelled: nobody ends who should not, nobody grows beyond the budget; and who is red when."""
        while True:
            await asyncio.gather(*[self._look_at(member) for member in list(self.members)])
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look_at(self, member: Member) -> None:
        if not member.consumer.alive:
            if not member.expected_to_end:
                self.members.remove(member)
                self.findings.append(f"a consumer ended by itself: {member.consumer.output[-2_000:]}")
            return
        with suppress(psutil.NoSuchProcess):
            rss = member.consumer.process.memory_info().rss
            if rss > RSS_BUDGET >= self.rss:
                self.findings.append(f"L5 memory: a consumer has {rss >> 20} MiB, the budget is {RSS_BUDGET >> 20}")
            self.rss = max(self.rss, rss)
        if await member.healthy() is False:
            member.red_at = monotonic()

    def open_files(self) -> int:
        """Of the elder."""
        return self.elder.consumer.process.num_fds()

    def unseen_errors(self) -> list[str]:
        """What no consumer may ever say."""
        return [
            f"errors that nobody saw to, in the log of consumer {number}"
            for number, consumer in enumerate(self._scene.consumers)
            if consumer.unseen_errors
        ]

    def kill_all(self) -> None:
        """Whatever happened, none outlives us."""
        for consumer in self._scene.consumers:
            consumer.kill()
