"""A consumer as a process: started, signalled, listened to."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

import psutil

from tests.faults.waiting import DEADLINE_S, until

CHECKOUT = Path(__file__).parents[2]
SHOWN_CHARACTERS = 8_000


class ConsumerProcess:
    """One consumer, and all that it has said."""

    def __init__(
        self,
        module: str,
        arguments: tuple[str, ...],
        settings: Mapping[str, str],
        log: Path,
        checkout: Path = CHECKOUT,
    ) -> None:
        self._log = log
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_RUNS_")}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=checkout,
                env={**inherited, **settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether it runs; stopped counts."""
        return self._process.poll() is None

    @property
    def stopped(self) -> bool:
        """Whether a SIGSTOP holds it."""
        return self.alive and psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED

    async def says(self, text: str, times: int = 1, deadline_s: float = DEADLINE_S) -> None:
        """Wait until it has said this so many times."""
        try:
            await until(lambda: self.output.count(text) >= times or not self.alive, f"says {text!r}", deadline_s)
            assert self.output.count(text) >= times, f"ended without saying {text!r}"
        except AssertionError as error:
            error.add_note(self.output[-SHOWN_CHARACTERS:])
            raise

    async def consumes(self) -> None:
        """Wait until it has partitions."""
        await self.says("Partitions assigned")

    async def is_stopped(self) -> None:
        """Wait until a signal from itself has stopped it."""
        await until(lambda: self.stopped or not self.alive, "the consumer has stopped itself")
        assert self.stopped, self.output[-SHOWN_CHARACTERS:]

    async def ended(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for its end. Returns the exit code, or minus the signal."""
        try:
            await until(lambda: not self.alive, "the consumer has ended", deadline_s)
        except AssertionError as error:
            error.add_note(self.output[-SHOWN_CHARACTERS:])
            raise
        return self._process.wait()

    async def terminated(self, deadline_s: float = DEADLINE_S) -> None:
        """End it as an orchestrator does. It must say so in time, and leave in good order."""
        self.signal(SIGTERM)
        assert await self.ended(deadline_s) == 0, self.output[-SHOWN_CHARACTERS:]

    def signal(self, number: Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """Freeze it where it stands."""
        self.signal(SIGSTOP)

    def resume(self) -> None:
        """Let a stopped one go on."""
        self.signal(SIGCONT)

    def kill(self) -> None:
        """End it without a word, if it is still there."""
        self.signal(SIGKILL)
        self._process.wait()
