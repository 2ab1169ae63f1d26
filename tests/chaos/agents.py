"""The agent processes: some all the time, each of them replaced now and then."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.emitting.ledger import Ledger
from tests.faults.waiting import until

CHECKOUT = Path(__file__).parents[2]
ENDS_WITHIN_S = 330.0


class Agents:
    """They write one ledger each; `counts` are those of all that have ended."""

    def __init__(self, number: int, environment: Mapping[str, str], directory: Path, seed: int) -> None:
        self.counts: list[dict[str, Any]] = []
        self._environment = {**os.environ, **environment}
        self._directory = directory
        self._seed = seed
        self._number = number
        self._ledgers: dict[Process, Path] = {}  # of every one that was started
        self._running: list[Process] = []
        self._ending: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """All of them."""
        while len(self._running) < self._number:
            await self._start_one()

    async def replace_one(self) -> None:
        """Tell the oldest to stop, and start another. It ends in its own time: once Kafka has what it said."""
        self._ending.add(asyncio.create_task(self._end(self._running.pop(0))))
        await self._start_one()

    async def stop(self) -> None:
        """Tell all to stop, and wait."""
        while self._running:
            self._ending.add(asyncio.create_task(self._end(self._running.pop(0))))
        await asyncio.gather(*self._ending)

    def kill(self) -> None:
        """Whatever happened, none outlives us."""
        for process in self._ledgers:
            if process.returncode is None:
                process.kill()

    def ledger(self) -> Ledger:
        """What all of them have said."""
        ledger = Ledger()
        for file in self._ledgers.values():
            with file.open() as lines:
                ledger.said.update(Ledger.read(lines).said)
        return ledger

    async def _start_one(self) -> None:
        number = len(self._ledgers) + 1
        file = self._directory / f"{number}.ledger"
        with file.with_suffix(".log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.agent", str(file), f"{self._seed}:{number}"),
                cwd=CHECKOUT,
                env=self._environment,
                stdout=PIPE,
                stderr=log,
            )
        self._ledgers[process] = file
        self._running.append(process)
        # Before its first word it would end by the signal that tells it to stop.
        await until(lambda: process.returncode is not None or (file.exists() and file.stat().st_size > 0), "an agent")

    async def _end(self, process: Process) -> None:
        process.terminate()
        output, _ = await asyncio.wait_for(process.communicate(), ENDS_WITHIN_S)
        if process.returncode:
            log = self._ledgers[process].with_suffix(".log").read_text()[-5000:]
            raise AssertionError(f"an agent ended with exit code {process.returncode}:\n{log}")
        self.counts.append(json.loads(output))
