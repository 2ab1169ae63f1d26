"""A consumer process: start it, signal it, wait for what it logs."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import Any

import psutil

from tests.support.paths import CHECKOUT
from tests.support.python_process import start_python
from tests.support.waiting import DEADLINE_S, until

# Signs of an error that no code handled; they must never be in a consumer's output. "Future exception was never
# retrieved" is not among them: asyncpg causes it when a connection is given up while it is being made.
_UNHANDLED = re.compile(r"Traceback|Task exception was never retrieved|never awaited|Task was destroyed|Unclosed")
# aiokafka causes this one: it shields a commit from cancellation, and then no code waits for the commit's result.
_SHIELDED_COMMIT = re.compile(
    r"Task exception was never retrieved\n *future: .*_do_commit_offsets.*\n *Traceback.*\n(?:(?:  .*)?\n)+"
)
# And these: if an attempt to connect is cancelled while it waits for an answer, the client loses its open connection.
# The garbage collector reports the connection, unless the broker has closed it meanwhile, and the task that reads it.
_LOST_CONNECTION = re.compile(
    r"Unclosed AIOKafkaConnection\n *conn: .*\n"
    r"|Task was destroyed but it is pending!\n *task: .*AIOKafkaConnection\._read.*\n"
)

SHOWN_CHARACTERS = 8_000
MIB = 1024 * 1024


class ConsumerProcess:
    """One process and its output.

    Args:
        module: run as `python -m MODULE ARGUMENTS`.
        arguments: of the command line.
        environment: the whole environment of the process.
        log: the file for its output.
        checkout: the directory whose code runs.
    """

    def __init__(
        self,
        module: str,
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        log: Path,
        checkout: Path = CHECKOUT,
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = start_python(module, arguments, environment, output, checkout)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def output(self) -> str:
        """The output that the process has written so far."""
        return self._log.read_text(errors="replace")

    @property
    def has_unhandled_errors(self) -> bool:
        """Whether its output contains an error that no code handled."""
        of_the_service = _LOST_CONNECTION.sub("", _SHIELDED_COMMIT.sub("", self.output))
        return _UNHANDLED.search(of_the_service) is not None

    @property
    def process(self) -> psutil.Process:
        """The process as psutil shows it."""
        return psutil.Process(self._process.pid)

    @property
    def alive(self) -> bool:
        """Whether the process has not ended; true even while a SIGSTOP holds it."""
        return self._process.poll() is None

    @property
    def frozen(self) -> bool:
        """Whether a SIGSTOP has stopped the process."""
        return self.alive and self.process.status() == psutil.STATUS_STOPPED

    @property
    def peak_mib(self) -> float:
        """The peak memory of the process. Where the kernel does not record that (macOS), its current memory."""
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():
            return psutil.Process(self._process.pid).memory_info().rss / MIB
        (peak,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak) / 1024

    def count(self, action: str) -> int:
        """Return how many lines of this `action` the process has logged, in either log format."""
        return len(re.findall(rf'\baction={action}\b|"action": *"{action}"', self.output))

    def lines(self, action: str) -> list[dict[str, Any]]:
        """Return the logged lines of this `action`; for a consumer with AGENT_RUNS_LOG_FORMAT=json."""
        complete = self.output.rpartition("\n")[0].splitlines()
        found: list[dict[str, Any]] = [json.loads(line) for line in complete if line.startswith("{")]
        return [line for line in found if line["action"] == action]

    async def wait_for_output(self, text: str, times: int = 1) -> None:
        """Wait until the output contains the text this many times."""
        await self._wait(lambda: self.output.count(text) >= times, f"its output contains {text!r}")

    async def wait_for_action(self, action: str, times: int = 1) -> None:
        """Wait until the process has logged this many lines of this `action`."""
        await self._wait(lambda: self.count(action) >= times, f"it logged {action!r} {times} times")

    async def wait_until_assigned(self) -> None:
        """Wait until the consumer has partitions."""
        await self.wait_for_action("assigned")

    async def wait_until_frozen(self) -> None:
        """Wait until a SIGSTOP has stopped the process."""
        await self._wait(lambda: self.frozen, "it was frozen")

    async def wait_for_exit(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait until the process ends. Returns its exit code, or minus the signal that ended it."""
        try:
            await until(lambda: not self.alive, "the consumer has ended", deadline_s)
        except AssertionError as error:
            error.add_note(self.output[-SHOWN_CHARACTERS:])
            raise
        return self._process.wait()

    async def terminate(self, deadline_s: float = DEADLINE_S, signal: Signals = SIGTERM) -> None:
        """Send SIGTERM, or another signal; the process must exit with code 0 within the deadline."""
        self.signal(signal)
        assert await self.wait_for_exit(deadline_s) == 0, self.output[-SHOWN_CHARACTERS:]

    def signal(self, number: Signals) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def freeze(self) -> None:
        """Send SIGSTOP."""
        self.signal(SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT."""
        self.signal(SIGCONT)

    def kill(self) -> None:
        """Send SIGKILL if the process still runs, and wait until it has ended."""
        self.signal(SIGKILL)
        self._process.wait()

    async def _wait(self, condition: Callable[[], bool], what: str) -> None:
        try:
            await until(lambda: condition() or not self.alive, what)
            assert condition(), f"the consumer ended before {what}"
        except AssertionError as error:
            error.add_note(self.output[-SHOWN_CHARACTERS:])
            raise
