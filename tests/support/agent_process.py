"""Runs an agent program as a process of its own, with the environment that it would have."""

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

import psutil

from tests.support.ledgers.emitted import Ledger

CHECKOUT = Path(__file__).parents[2]
DEADLINE_S = 60.0

PRELUDE = """
import asyncio, atexit, multiprocessing, os, signal, sys, threading, time
from agent_runs import Emitter
from tests.support.agent_prelude import emit, print_emitted, print_stats
"""


@dataclass(frozen=True)
class Result:
    """The exit code and the output of a process that has ended."""

    exit_code: int
    output: str
    errors: str

    @property
    def ledger(self) -> Ledger:
        return Ledger.read(self.output.splitlines())

    @property
    def stats(self) -> list[dict[str, Any]]:
        """The counts that the program and its children have printed, in order."""
        return [json.loads(line[6:]) for line in self.output.splitlines() if line.startswith("stats ")]


class AgentProcess:
    """A running agent program."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._lines_read: list[bytes] = []

    async def wait_for_line(self, prefix: str) -> None:
        """Read the output up to the next line that begins with `prefix`."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while line := await self.process.stdout.readline():
                self._lines_read.append(line)
                if line.startswith(prefix.encode()):
                    return
        raise AssertionError(f"the program ended without a line {prefix!r}")

    def signal(self, number: Signals) -> None:
        self.process.send_signal(number)

    def is_stopped(self) -> bool:
        return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED

    async def wait(self, deadline_s: float = DEADLINE_S) -> Result:
        """Wait for the end of the process, and read the rest of its output."""
        async with asyncio.timeout(deadline_s):
            output, errors = await self.process.communicate()
        text = b"".join([*self._lines_read, output]).decode()
        return Result(await self.process.wait(), text, errors.decode())


@asynccontextmanager
async def start_agent(
    parts: Sequence[str], directory: Path, first_lines: str = "", **environment: str
) -> AsyncIterator[AgentProcess]:
    """Start a program that consists of the prelude and these parts; it is killed at the end of the block.

    `first_lines` come before the prelude, and so before the import of the library.
    """
    file = directory / "agent.py"  # a file, because children of the start method `spawn` import it again
    file.write_text(first_lines + PRELUDE + "".join(map(dedent, parts)))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AGENT_RUNS_", "KAFKA_"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(file)),
        env={**inherited, "PYTHONPATH": str(CHECKOUT), **environment},
        stdout=PIPE,
        stderr=PIPE,
        limit=2**24,
    )
    try:
        yield AgentProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run_agent(parts: Sequence[str], directory: Path, **environment: str) -> Result:
    """Run a program to its end."""
    async with start_agent(parts, directory, **environment) as agent:
        return await agent.wait()
