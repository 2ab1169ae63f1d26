"""Runs `python -m consumer` as an operator does: each command and each consumer is a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from examples.demo.errors import DemoFailed

CHECKOUT = Path(__file__).resolve().parents[2]
NOT_INHERITED = ("KAFKA_", "AGENT_RUNS_", "DATABASE_URL")  # the caller's own Kafka and PostgreSQL stay untouched
COMMAND_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0  # more than a consumer's own AGENT_RUNS_SHUTDOWN_TIMEOUT_S
LOG_LINES = 15
ASSIGNED = re.compile(r"action=assigned +partitions=\[\d")


def run_command(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command of the service to its end, and return its output.

    Raises:
        DemoFailed: it ended with an exit code other than 0, or not in time.
    """
    command = f"`python -m consumer {' '.join(arguments)}`"
    process = _start(environment, "consumer", *arguments, stdout=subprocess.PIPE)
    with process:
        try:
            output, _ = process.communicate(timeout=COMMAND_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"{command} did not end within {COMMAND_TIMEOUT_S:.0f} s") from error
        finally:
            process.kill()
    if process.returncode != 0:
        raise DemoFailed(f"{command} ended with exit code {process.returncode}", output)
    return output


def _start(
    environment: Mapping[str, str], module: str, *arguments: str, stdout: int | IO[str]
) -> "subprocess.Popen[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**inherited, **environment},
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the demo only, and the demo ends its child processes
    )


class Consumer:
    """A process that runs `python -m consumer run`; the constructor starts it.

    Args:
        name: its name in the demo, and in the name of its log.
        environment: its environment variables, in addition to this process's.
        logs: the directory for its log.
    """

    def __init__(self, name: str, environment: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self._log = logs / f"{name}.log"
        self._killed = False
        # The process's standard input stays open until the demo ends; end_with_parent.py relies on that.
        with self._log.open("w") as log:
            self._process = _start(environment, "examples.demo.end_with_parent", "run", stdout=log)

    @property
    def state(self) -> str:
        """`running`, `killed` (by the demo) or `ended`."""
        if self._killed:
            return "killed"
        return "running" if self._process.poll() is None else "ended"

    def has_partitions(self) -> bool:
        """Whether Kafka has assigned partitions to this consumer.

        Raises:
            DemoFailed: the process has ended and was not killed.
        """
        self.check()
        return bool(ASSIGNED.search(self._log.read_text(errors="replace")))

    def check(self) -> None:
        """Raise DemoFailed if the process has ended but was not killed by the demo."""
        if self.state == "ended":
            raise self._failure(f"ended unexpectedly with exit code {self._process.returncode}")

    def kill(self) -> None:
        """End the process with SIGKILL, which it cannot handle, like a crash. Does nothing if it has ended."""
        self._killed = True
        with self._process:  # closes standard input and waits for the end
            self._process.kill()

    def stop(self) -> None:
        """End the process with SIGTERM and wait.

        Raises:
            DemoFailed: it did not end in time, or ended with an exit code other than 0.
        """
        self._process.terminate()
        try:
            exit_code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise self._failure(f"did not stop within {STOP_TIMEOUT_S:.0f} s") from error
        if exit_code != 0:
            raise self._failure(f"stopped with exit code {exit_code}")

    def _failure(self, what: str) -> DemoFailed:
        lines = self._log.read_text(errors="replace").splitlines()
        return DemoFailed(f"{self.name} {what}", "\n".join(lines[-LOG_LINES:]))
