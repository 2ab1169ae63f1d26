"""The consumers of the show: started, watched, killed, stopped; none is left behind."""

import asyncio
import time
from asyncio.subprocess import Process
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from examples.demo.errors import DemoFailed
from examples.demo.group import Group
from examples.demo.service import Service, kill

STOP_TIMEOUT_S = 20.0  # longer than a consumer gives itself
SETTLE_TIMEOUT_S = 60.0
SETTLE_POLL_S = 0.2
LOG_LINES = 15


@dataclass(slots=True)
class Consumer:
    """One consumer process.

    Attributes:
        state: `running`, `killed` (by the demo), `stopped` (as it was told) or `lost` (it ended by itself).
    """

    name: str
    log: Path
    process: Process
    state: str = "running"

    def check(self) -> None:
        """Raises DemoFailed when it has ended by itself."""
        if self.state == "running" and self.process.returncode is not None:
            self.state = "lost"
            raise DemoFailed(
                f"{self.name} ended by itself with exit code {self.process.returncode}", self._last_lines()
            )

    async def kill(self) -> None:
        """No warning: SIGKILL."""
        self.state = "killed"
        await kill(self.process)

    async def stop(self) -> None:
        """Ask it to stop, and wait.

        Raises:
            DemoFailed: it took too long, or ended with another exit code than 0, or had ended by itself before.
        """
        self.check()
        self.state = "stopped"
        self.process.terminate()
        try:
            exit_code = await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
        except TimeoutError as error:
            raise DemoFailed(f"{self.name} did not stop within {STOP_TIMEOUT_S:.0f} s", self._last_lines()) from error
        if exit_code != 0:
            raise DemoFailed(f"{self.name} stopped with exit code {exit_code}", self._last_lines())

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])


@dataclass(slots=True)
class Fleet:
    """All consumers, in the order of their start. A context: whichever runs at its end is killed."""

    service: Service
    group: Group
    consumers: list[Consumer] = field(default_factory=list)

    async def start(self) -> Consumer:
        """One more, under the next number."""
        name = f"consumer-{len(self.consumers) + 1}"
        log = self.service.logs / f"{name}.log"
        consumer = Consumer(name, log, await self.service.consumer(log))
        self.consumers.append(consumer)
        return consumer

    def check(self) -> None:
        """Raises DemoFailed when one has ended by itself."""
        for consumer in self.consumers:
            consumer.check()

    async def settled(self, others_than: frozenset[str] = frozenset()) -> frozenset[str]:
        """Wait until all that run share the partitions, and not as the same members as before. Their ids.

        Raises:
            DemoFailed: it takes too long, or one ended by itself.
        """
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while time.monotonic() < deadline:
            self.check()
            members = await self.group.members()
            if len(members) == len(self.running()) and members != others_than:
                return members
            await asyncio.sleep(SETTLE_POLL_S)
        raise DemoFailed(f"the consumers did not share the partitions within {SETTLE_TIMEOUT_S:.0f} s")

    def running(self) -> list[Consumer]:
        """Those that were neither killed nor stopped."""
        return [consumer for consumer in self.consumers if consumer.state == "running"]

    async def stop(self) -> None:
        """Stop all that run, side by side; raises DemoFailed as `Consumer.stop` does."""
        await asyncio.gather(*(consumer.stop() for consumer in self.running()))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for consumer in self.consumers:
            await kill(consumer.process)
