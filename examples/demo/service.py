"""The service as an operator runs it: `python -m consumer …`, in processes of their own."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from examples.demo.errors import DemoFailed

ROOT = Path(__file__).resolve().parents[2]
COMMAND_TIMEOUT_S = 60.0
# Nothing of the caller's own Kafka and database may leak into the demo.
NOT_INHERITED = ("KAFKA_", "AGENT_RUNS_", "DATABASE_URL")


@dataclass(frozen=True, slots=True)
class Service:
    """How to start any part of the service: its settings, and where the logs of its consumers go."""

    settings: Mapping[str, str]
    logs: Path

    async def command(self, *words: str) -> str:
        """Run a command to its end; what it printed.

        Raises:
            DemoFailed: it ended with another exit code than 0, or not in time.
        """
        name = f"`python -m consumer {' '.join(words)}`"
        process = await self._start(*words, output=PIPE)
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                output = await _read(process)
                exit_code = await process.wait()
        except TimeoutError as error:
            raise DemoFailed(f"{name} did not end within {COMMAND_TIMEOUT_S:.0f} s") from error
        finally:
            await kill(process)
        if exit_code != 0:
            raise DemoFailed(f"{name} ended with exit code {exit_code}", output)
        return output

    async def consumer(self, log: Path) -> Process:
        """Start one that runs until it is told to stop."""
        with log.open("wb") as output:
            return await self._start("run", output=output.fileno())

    async def _start(self, *words: str, output: int) -> Process:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "examples.demo.leash", *words),
            stdin=PIPE,  # the leash
            stdout=output,
            stderr=STDOUT,
            env={**inherited, **self.settings},
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C is for the demo, which then ends its children itself
        )


async def kill(process: Process) -> None:
    """SIGKILL: no clean-up, no last word, whatever it is doing. Nothing happens when it has ended."""
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _read(process: Process) -> str:
    # Not communicate(): that would close the leash first.
    output = cast("asyncio.StreamReader", process.stdout)
    return (await output.read()).decode(errors="replace")
