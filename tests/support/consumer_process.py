"""A consumer as a process: started, signalled, listened to."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

import psutil

from tests.support.waiting import DEADLINE_S, until

# What no consumer may ever say, whatever is done to it: an error that nobody saw to. (A future's is asyncpg's own: a
# connection that we give up while it is being made.)
_UNSEEN = re.compile(r"Traceback|Task exception was never retrieved|never awaited|Task was destroyed|Unclosed")
# aiokafka's own as well: it shields a commit from being given up, and then nobody is left to hear how it ended.
_SHIELDED_COMMIT = re.compile(
    r"Task exception was never retrieved\n *future: .*_do_commit_offsets.*\n *Traceback.*\n(?:(?:  .*)?\n)+"
)

CHECKOUT = Path(__file__).parents[2]
SHOWN_CHARACTERS = 8_000
MIB = 1024 * 1024


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
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    @property
    def unseen_errors(self) -> bool:
        """Whether it has told of an error that nobody saw to."""
        return _UNSEEN.search(_SHIELDED_COMMIT.sub("", self.output)) is not None

    @property
    def process(self) -> psutil.Process:
        """What the system knows of it."""
        return psutil.Process(self._process.pid)

    @property
    def alive(self) -> bool:
        """Whether it runs; stopped counts."""
        return self._process.poll() is None

    @property
    def stopped(self) -> bool:
        """Whether a SIGSTOP holds it."""
        return self.alive and self.process.status() == psutil.STATUS_STOPPED

    @property
    def peak_mib(self) -> float:
        """The most memory that it ever had. Where the kernel does not remember that (macOS), what it has now."""
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():
            return psutil.Process(self._process.pid).memory_info().rss / MIB
        (peak,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak) / 1024

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
