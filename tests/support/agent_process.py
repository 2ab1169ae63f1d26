"""An agent as a process: a program with the environment that it would have."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from textwrap import dedent
from typing import Any

from tests.support.ledgers.emitted import Ledger

CHECKOUT = Path(__file__).parents[2]
DEADLINE_S = 60.0

PRELUDE = """
import asyncio, atexit, multiprocessing, os, signal, sys, threading, time
from agent_runs import Emitter
from tests.support.agent_prelude import note, say, tell_stats
"""


@dataclass(frozen=True)
class Ended:
    """A process that has ended, and all that it said."""

    exit_code: int
    output: str
    errors: str

    @property
    def ledger(self) -> Ledger:
        return Ledger.read(self.output.splitlines())

    @property
    def stats(self) -> list[dict[str, Any]]:
        """The counts that its processes have told, in the order of telling."""
        return [json.loads(line[6:]) for line in self.output.splitlines() if line.startswith("stats ")]


class Program:
    """One that runs."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._heard: list[bytes] = []

    async def says(self, words: str) -> None:
        """Wait for a line that begins so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while line := await self.process.stdout.readline():
                self._heard.append(line)
                if line.startswith(words.encode()):
                    return
        raise AssertionError(f"ended without saying {words!r}")

    def signal(self, number: Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, deadline_s: float = DEADLINE_S) -> Ended:
        """Wait for its end, and hear what there is left to hear."""
        async with asyncio.timeout(deadline_s):
            output, errors = await self.process.communicate()
        text = b"".join([*self._heard, output]).decode()
        return Ended(await self.process.wait(), text, errors.decode())


@asynccontextmanager
async def started(parts: Sequence[str], directory: Path, **environment: str) -> AsyncIterator[Program]:
    """Start a program that consists of these parts; it is killed at the latest at the end of the block."""
    file = directory / "agent.py"  # a file: children by spawn import it again
    file.write_text(PRELUDE + "".join(map(dedent, parts)))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AGENT_RUNS_", "KAFKA_"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(file)),
        env={**inherited, "PYTHONPATH": str(CHECKOUT), **environment},
        stdout=PIPE,
        stderr=PIPE,
        limit=2**24,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(parts: Sequence[str], directory: Path, **environment: str) -> Ended:
    """Run a program to its end."""
    async with started(parts, directory, **environment) as program:
        return await program.ended()
