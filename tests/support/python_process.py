"""Starts `python -m MODULE`: by a fork from a process that has imported the service where possible, which is faster."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from signal import Signals
from threading import Event, Lock, Thread
from typing import IO, Protocol

from tests.support.fork_server import LENGTH
from tests.support.paths import CHECKOUT


class PythonProcess(Protocol):
    """What `subprocess.Popen` and `ForkedProcess` have in common."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, or minus the signal that ended the process; None while it runs."""

    def wait(self) -> int:
        """Wait for the end of the process and return what `poll` returns."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless the process has ended."""


class ForkedProcess:
    """A process that the fork server has started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._exit_code = 0
        self._ended = Event()

    def on_ended(self, exit_code: int) -> None:
        """Record that the process has ended."""
        self._exit_code = exit_code
        self._ended.set()

    def poll(self) -> int | None:
        """Return the exit code, or minus the signal that ended the process; None while it runs."""
        return self._exit_code if self._ended.is_set() else None

    def wait(self) -> int:
        """Wait for the end of the process and return what `poll` returns."""
        self._ended.wait()
        return self._exit_code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless the process has ended."""
        if not self._ended.is_set():
            with suppress(ProcessLookupError):
                os.kill(self.pid, Signals(sig))


class ForkServer:
    """The other end of `tests.support.fork_server`. Any thread may start processes."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self._starting = Lock()
        self._started: SimpleQueue[ForkedProcess] = SimpleQueue()
        self._running: dict[int, ForkedProcess] = {}
        with theirs:
            self._process = subprocess.Popen(  # ends when this process ends, which closes the socket
                [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())],
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        Thread(target=self._read, name="fork-server", daemon=True).start()

    def start(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], output: IO[bytes]
    ) -> ForkedProcess:
        """Start `python -m MODULE ARGUMENTS`; `output` gets what it writes to stdout and stderr."""
        request = {"module": module, "arguments": list(arguments), "environment": dict(environment)}
        data = json.dumps(request).encode()
        with self._starting:
            socket.send_fds(self._control, [LENGTH.pack(len(data))], [output.fileno()])
            self._control.sendall(data)
            return self._started.get(timeout=60)

    def _read(self) -> None:
        for line in self._control.makefile("rb"):
            message = json.loads(line)
            if pid := message.get("started"):
                self._running[pid] = ForkedProcess(pid)
                self._started.put(self._running[pid])
            else:
                self._running.pop(message["ended"]).on_ended(message["exit_code"])


@cache
def _fork_server() -> ForkServer:
    return ForkServer()


def start_python(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], output: IO[bytes], checkout: Path = CHECKOUT
) -> PythonProcess:
    """Start `python -m MODULE ARGUMENTS` with the code of a checkout; `output` gets its stdout and stderr."""
    if (
        checkout == CHECKOUT
        and sys.platform == "linux"
        and _python_variables(environment) == _python_variables(os.environ)
    ):
        return _fork_server().start(module, arguments, environment, output)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )


def _python_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a Python interpreter reads at its start."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}
