"""The consumers of a round, and what is measured of them: exits, health, memory, open files, shutdown time."""

from __future__ import annotations

import asyncio
from asyncio import IncompleteReadError
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from time import monotonic

import psutil

from deploy.local.ports import HOST, free_port
from tests.nemesis.environment import Endpoints
from tests.nemesis.faults.operators import SMALL_BYTES
from tests.support.consumer_process import ConsumerProcess
from tests.support.scene import FAULT_SETTINGS
from tests.support.waiting import until

SIZE = 3
STALL_S = 5.0
DATABASE_S = 6.0
# Shutdown after SIGTERM: the running transaction, the commit of offsets, leaving the group, and closing the topic's
# client. Each step has a deadline of its own, and the machine is busy.
TERMINATES_WITHIN_S = 25.0
RSS_BUDGET = 250 * 1024 * 1024
CHECK_INTERVAL_S = 0.5
ANSWER_S = 2.0

# Added to the scene's settings: batches large enough to catch up with a backlog, and timeouts for a busy machine.
FLEET_SETTINGS = {
    **FAULT_SETTINGS,
    "AGENT_RUNS_BATCH_RECORDS": "200",
    "AGENT_RUNS_DATABASE_TIMEOUT_S": f"{DATABASE_S:g}",
    "AGENT_RUNS_LOCK_TIMEOUT_S": "1",
    "AGENT_RUNS_STALLED_OWNER_S": "2",
    "AGENT_RUNS_STALL_S": f"{STALL_S:g}",
    "AGENT_RUNS_MAX_EVENT_BYTES": str(SMALL_BYTES),
    "AGENT_RUNS_MAX_DECOMPRESSED_BYTES": str(16 * 1024 * 1024),  # by default 32 MiB
    "AGENT_RUNS_BREAKER_SHARE": "1",  # a third of the records here are not events
}


@dataclass(eq=False)
class Member:
    """One consumer.

    Attributes:
        port: of its health probe.
        expected_to_end: whether a fault or signal ends it. Any other exit is a violation.
        unhealthy_at: when its probe last answered that it is unhealthy.
    """

    consumer: ConsumerProcess
    port: int
    expected_to_end: bool = False
    unhealthy_at: float = 0.0

    async def healthy(self) -> bool | None:
        """Whether its probe answers 200; None if the probe does not answer."""
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
    """The consumers of a round. The first one is never replaced, so that leaks show in it.

    Attributes:
        rss: the largest memory of any member so far, in bytes.
        longest_shutdown_s: the longest time from SIGTERM to the end so far.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self.members: list[Member] = []
        self.rss = 0
        self.longest_shutdown_s = 0.0
        self.violations: list[str] = []
        self._scene = endpoints.proxied

    @property
    def first(self) -> Member:
        return self.members[0]

    def join(self, fault: str = "") -> Member:
        """Start one more consumer; `fault` names a step at which it stops itself."""
        port = free_port()
        consumer = self._scene.start(fault=fault, **FLEET_SETTINGS, AGENT_RUNS_HTTP_PORT=str(port))
        self.members.append(Member(consumer, port, expected_to_end="SIGKILL" in fault))
        return self.members[-1]

    def replaceable(self, rng: Random) -> Member:
        """Any member except the first."""
        return rng.choice(self.members[1:])

    def kill(self, member: Member) -> None:
        """SIGKILL."""
        member.expected_to_end = True
        member.consumer.kill()
        if member in self.members:  # not if it ended unexpectedly
            self.members.remove(member)

    async def terminate(self, member: Member) -> None:
        """SIGTERM. L4: the member must end without SIGKILL and in time, whatever faults there are."""
        if member in self.members:
            self.members.remove(member)
        # Before the first line of its log it may not have installed the signal handler.
        await until(lambda: bool(member.consumer.output) or not member.consumer.alive, "a consumer logs a line")
        member.expected_to_end = True
        began = monotonic()
        try:
            await member.consumer.terminate(TERMINATES_WITHIN_S)
        except AssertionError as error:
            self.violations.append(f"L4: after SIGTERM: {error}")
            member.consumer.kill()
        self.longest_shutdown_s = max(self.longest_shutdown_s, monotonic() - began)

    async def end(self) -> None:
        """SIGTERM to all."""
        await asyncio.gather(*[self.terminate(member) for member in list(self.members)])

    async def watch(self) -> None:
        """Watch exits, memory and health of all members. Runs until cancelled."""
        while True:
            await asyncio.gather(*[self._check_member(member) for member in list(self.members)])
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def _check_member(self, member: Member) -> None:
        if not member.consumer.alive:
            if not member.expected_to_end:
                self.members.remove(member)
                self.violations.append(f"a consumer ended unexpectedly: {member.consumer.output[-2_000:]}")
            return
        with suppress(psutil.NoSuchProcess):
            rss = member.consumer.process.memory_info().rss
            if rss > RSS_BUDGET >= self.rss:
                self.violations.append(f"L5 memory: a consumer has {rss >> 20} MiB, the budget is {RSS_BUDGET >> 20}")
            self.rss = max(self.rss, rss)
        if await member.healthy() is False:
            member.unhealthy_at = monotonic()

    def open_files(self) -> int:
        """The number of open files of the first member."""
        return self.first.consumer.process.num_fds()

    def unseen_errors(self) -> list[str]:
        """A line for each consumer that has logged an unhandled error."""
        return [
            f"unhandled errors in the log of consumer {number}"
            for number, consumer in enumerate(self._scene.consumers)
            if consumer.has_unhandled_errors
        ]

    def kill_all(self) -> None:
        """Kill the consumers that still run."""
        for consumer in self._scene.consumers:
            consumer.kill()
