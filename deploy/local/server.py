"""The base class of Kafka and PostgreSQL: a server with a directory, a port, a process and a log."""

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from signal import Signals
from typing import ClassVar, Self

from deploy.local import ports
from deploy.local.errors import AlreadyRunning, NotStarted
from deploy.local.processes import ProcessIdentity, kill_tree, terminate, wait_until
from deploy.local.state_file import StateFile

CHECKOUT = Path(__file__).parents[2]
LOG_TAIL_LINES = 25


class Server(ABC):
    """A server whose whole state is in one directory.

    `stop` and `kill` keep the data and the port, and the next `start` continues with them. Two objects with the same
    directory, also in different processes, control the same server.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[Signals]
    start_timeout_s: ClassVar[float] = 120  # a start usually takes 4 s; on a very busy machine much longer
    stop_timeout_s: ClassVar[float] = 30

    def __init__(self, directory: Path, port: int = 0) -> None:
        self.directory = directory.absolute()
        self.requested_port = port
        self.log = self.directory / "server.log"
        self._state_file = StateFile(self.directory / "server.json")
        self._supervisor: subprocess.Popen[str] | None = None

    @property
    def port(self) -> int:
        """The port where it listens, or last listened. 0 before the first start."""
        return self._state_file.port

    @property
    def pid(self) -> int | None:
        """The pid of the server, or None while it is not running."""
        process = self._state_file.process()
        return process.pid if process else None

    @property
    def started_here(self) -> bool:
        """Whether this object started the server, which then ends with this process."""
        return self._supervisor is not None

    def start(self, *, detached: bool = False) -> None:
        """Start the server, and return when it is ready.

        Args:
            detached: the server continues to run when this process ends.

        Raises:
            AlreadyRunning: the server is already running.
            PortTaken: another program listens on the requested port.
            NotStarted: the server ended, or was not ready in time; the message has the tail of its log.
        """
        if pid := self.pid:
            raise AlreadyRunning(f"{self.name} of {self.directory} is already running, pid {pid}; stop it first")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.requested_port = self._pick_port()
        self._prepare(self.requested_port)
        log_start = self.log.stat().st_size if self.log.exists() else 0
        self._launch(detached=detached)
        self._wait_until_ready(log_start)

    def stop(self) -> None:
        """Stop the server gracefully; kill it after `stop_timeout_s`. Does nothing if it is not running."""
        if process := self._state_file.process():
            terminate(process, self.stop_signal, self.stop_timeout_s)
        self._release_supervisor()

    def kill(self) -> None:
        """Send SIGKILL to the server and all its children, as in a crash."""
        if process := self._state_file.process():
            kill_tree(process)
        self._release_supervisor()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server accepts clients now. Sends it a request in its own protocol."""

    @abstractmethod
    def _prepare(self, port: int) -> None:
        """Write the server's settings file; initialize its data directory if there is none."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command that starts the server."""

    def _pick_port(self) -> int:
        """The requested port; else the last one if free, so that known addresses stay valid; else any free port."""
        if self.requested_port:
            ports.require_free(self.requested_port, self.name)
            return self.requested_port
        return self.port if self.port and ports.is_free(self.port) else ports.free_port()

    def _launch(self, *, detached: bool) -> None:
        mode = "detach" if detached else "supervise"
        search_path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
        with self.log.open("a") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "deploy.local.supervisor", mode, *self._command()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.directory,
                env={**os.environ, "PYTHONPATH": search_path},
                start_new_session=True,  # Ctrl-C must reach the starter alone, which then stops the server gracefully
            )
        pid = self._supervisor.stdout.readline() if self._supervisor.stdout else ""
        self._state_file.write(self.requested_port, ProcessIdentity.of(int(pid)) if pid else None)
        if detached:
            self._release_supervisor()

    def _release_supervisor(self) -> None:
        """Close the supervisor's pipes and collect its exit code. If the server still runs, the supervisor kills it."""
        if self._supervisor is not None:
            with self._supervisor:
                self._supervisor = None

    def _wait_until_ready(self, log_start: int) -> None:
        wait_until(lambda: self.pid is None or self.is_ready(), self.start_timeout_s)
        if self.pid and self.is_ready():
            return
        failure = (
            f"was not ready within {self.start_timeout_s:g} s and was killed" if self.pid else "ended during its start"
        )
        self.kill()
        raise NotStarted(
            f"{self.name} {failure}; correct the cause in its log, and start again. The end of {self.log}:\n"
            f"{self._log_tail(log_start)}"
        )

    def _log_tail(self, log_start: int) -> str:
        with self.log.open(errors="replace") as log:
            log.seek(log_start)
            return "".join(log.readlines()[-LOG_TAIL_LINES:]) or "(empty)"
