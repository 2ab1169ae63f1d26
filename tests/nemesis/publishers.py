"""The publishers of a round: agents that emit through the library and are replaced regularly, a foreign producer."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from tests.nemesis.environment import Endpoints
from tests.support.waiting import until

CHECKOUT = Path(__file__).parents[2]
AGENTS = 2
AGENTS_SHARE = 0.3  # of all published records
ENDS_WITHIN_S = 150.0
LOG_SHOWN = 5_000
AGENT, PRODUCER = "agent", "producer"

# A queue that longer outages fill, and a timeout short enough to detect a broker that does not answer.
SETTINGS = {"AGENT_RUNS_QUEUE_BYTES": "400000", "AGENT_RUNS_REQUEST_TIMEOUT_S": "2"}


class Publishers:
    """The publisher processes. Each writes a ledger.

    Attributes:
        counts: the emitters' counts, of each agent that has ended.
    """

    def __init__(self, endpoints: Endpoints, seed: str, rate: float) -> None:
        self.counts: list[dict[str, Any]] = []
        self._environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": endpoints.proxied.servers.bootstrap_servers,
            "AGENT_RUNS_TOPIC": endpoints.proxied.topic,
            **SETTINGS,
        }
        self._directory = endpoints.proxied.directory
        self._seed = seed
        self._rate = rate
        self._files: dict[Process, Path] = {}  # the ledger of every process started so far
        self._agents: list[Process] = []
        self._producers: list[Process] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Start all publishers."""
        self._producers.append(await self._start(PRODUCER, self._rate * (1 - AGENTS_SHARE)))
        while len(self._agents) < AGENTS:
            self._agents.append(await self._start(AGENT, self._rate * AGENTS_SHARE / AGENTS))

    async def replace_agent(self) -> None:
        """Send SIGTERM to the oldest agent and start another one. The old one ends after Kafka has all its events."""
        async with self._changing:  # `stop` must not miss an agent that is being started
            if not self._agents:
                return
            self._ending.add(asyncio.create_task(self._end(self._agents.pop(0))))
            self._agents.append(await self._start(AGENT, self._rate * AGENTS_SHARE / AGENTS))

    async def stop(self) -> None:
        """Send SIGTERM to all, and wait until each has the outcome of all its messages and ends."""
        async with self._changing:
            while self._agents or self._producers:
                process = (self._agents or self._producers).pop()
                self._ending.add(asyncio.create_task(self._end(process)))
        await asyncio.gather(*self._ending)

    def kill(self) -> None:
        """Kill the processes that still run."""
        for task in self._ending:
            task.cancel()
        for process in self._files:
            if process.returncode is None:
                process.kill()

    def files(self, kind: str) -> list[Path]:
        """The ledgers of the agents, or of the producers."""
        return [file for file in self._files.values() if file.name.startswith(kind)]

    async def _start(self, kind: str, rate: float) -> Process:
        number = len(self._files)
        file = self._directory / f"{kind}-{number}.ledger"
        with file.with_suffix(".log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"tests.nemesis.{kind}", str(file), f"{self._seed}:{number}", str(rate)),
                cwd=CHECKOUT,
                env=self._environment,
                stdout=PIPE,
                stderr=log,
            )
        self._files[process] = file
        # The process opens its ledger before it installs the signal handler: SIGTERM would end it before.
        await until(lambda: process.returncode is not None or file.exists(), f"the {kind} opens its ledger")
        return process

    async def _end(self, process: Process) -> None:
        process.terminate()
        try:
            output, _ = await asyncio.wait_for(process.communicate(), ENDS_WITHIN_S)
        except TimeoutError:
            raise AssertionError(f"{self._files[process].stem} did not end within {ENDS_WITHIN_S:g} s") from None
        if process.returncode:
            log = self._files[process].with_suffix(".log").read_text()[-LOG_SHOWN:]
            raise AssertionError(f"{self._files[process].stem} ended with exit code {process.returncode}:\n{log}")
        if output:
            self.counts.append(json.loads(output))
