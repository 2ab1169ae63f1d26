"""An operator who retries dead letters while all this goes on, and whose command is killed in the middle of it."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, STDOUT
from pathlib import Path
from random import Random

from tests.nemesis.schedule import Strike
from tests.nemesis.world import Room

CHECKOUT = Path(__file__).parents[2]
# The largest event that the consumers take. The operator takes larger ones: so some retries succeed.
SMALL_BYTES = 8_192
GIVES_UP_S = 5.0
ENDS_WITHIN_S = 60.0
# All tried, some are still letters, the world is away.
EXIT_CODES = {0, 1, 4}


class OfOperators:
    """Retries, to their end and not. `findings`: ends that no retry may have."""

    def __init__(self, room: Room) -> None:
        self.findings: list[str] = []
        self._room = room
        self._log = room.wired.directory / "operator.log"

    def kinds(self) -> list[tuple[int, Strike]]:
        """With their weights."""
        return [(1, self.retried), (1, self.killed_retrying)]

    async def retried(self, rng: Random) -> None:
        """All that was too large, to the end."""
        await self._retry(ENDS_WITHIN_S, "--reason", "too_large")

    async def killed_retrying(self, rng: Random) -> None:
        """All letters, and SIGKILL somewhere on the way."""
        await self._retry(rng.uniform(0.5, 4), "--all")

    async def _retry(self, patience_s: float, *which: str) -> None:
        environment = {
            **os.environ,
            "DATABASE_URL": self._room.wired.database,
            "AGENT_RUNS_TOPIC": self._room.wired.topic,
            "AGENT_RUNS_GIVE_UP_S": f"{GIVES_UP_S:g}",
            "AGENT_RUNS_DATABASE_TIMEOUT_S": "3",
        }
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "consumer", "dead-letters", "retry", *which),
                cwd=CHECKOUT,
                env=environment,
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
            )
        try:
            code = await asyncio.wait_for(process.wait(), patience_s)
        except TimeoutError:
            process.kill()
            await process.wait()
            if patience_s == ENDS_WITHIN_S:
                self.findings.append(f"a retry had not ended after {patience_s:g} s")
        else:
            if code not in EXIT_CODES:
                self.findings.append(f"a retry ended with exit code {code}: {self._log.read_text()[-1_000:]}")
