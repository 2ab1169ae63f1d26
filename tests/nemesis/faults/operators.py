"""The operator's command `dead-letters retry`, run while faults are injected; in some cases it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, STDOUT
from pathlib import Path
from random import Random

from tests.nemesis.environment import Endpoints
from tests.nemesis.schedule import Fault

CHECKOUT = Path(__file__).parents[3]
# The consumers' limit of an event's size. The operator's limit is larger, so that some retries succeed.
SMALL_BYTES = 8_192
GIVES_UP_S = 5.0
ENDS_WITHIN_S = 60.0
# All were tried; some are still dead letters; Kafka or PostgreSQL stayed unavailable.
EXIT_CODES = {0, 1, 4}


class OperatorFaults:
    """Retries of dead letters. Unexpected exit codes and timeouts are added to `violations`."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.violations: list[str] = []
        self._endpoints = endpoints
        self._log = endpoints.proxied.directory / "operator.log"

    def kinds(self) -> list[tuple[int, Fault]]:
        """The faults with their weights."""
        return [(1, self.retried), (1, self.killed_retrying)]

    async def retried(self, rng: Random) -> None:
        """Retry the events that were too large, to the end."""
        await self._retry(ENDS_WITHIN_S, "--reason", "too_large")

    async def killed_retrying(self, rng: Random) -> None:
        """Retry all dead letters, and kill the command after 0.5 to 4 s."""
        await self._retry(rng.uniform(0.5, 4), "--all")

    async def _retry(self, timeout_s: float, *which: str) -> None:
        environment = {
            **os.environ,
            "DATABASE_URL": self._endpoints.proxied.database,
            "AGENT_RUNS_TOPIC": self._endpoints.proxied.topic,
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
            code = await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            process.kill()
            await process.wait()
            if timeout_s == ENDS_WITHIN_S:
                self.violations.append(f"`dead-letters retry` did not end within {timeout_s:g} s")
        else:
            if code not in EXIT_CODES:
                output = self._log.read_text()[-1_000:]
                self.violations.append(f"`dead-letters retry` ended with exit code {code}: {output}")
