"""What Kafka and PostgreSQL have in common: a directory, a port, a process, a log."""

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from signal import Signals
from typing import ClassVar, Self

from deploy.local import ports
from deploy.local.errors import AlreadyRunning, NotStarted
from deploy.local.processes import ProcessId, end, kill_tree, wait_until
from deploy.local.record import Record

CHECKOUT = Path(__file__).parents[2]
LOG_TAIL_LINES = 25


class Server(ABC):
    """A server whose whole state is below one directory.

    `stop` and `kill` leave data and port, so that `start` goes on where it was. Another object, also in another
    process, that is given the same directory speaks of the same server.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[Signals]
    start_timeout_s: ClassVar[float] = 120  # of a machine that is busy with ten other things; usual are 4
    stop_timeout_s: ClassVar[float] = 30

    def __init__(self, directory: Path, port: int = 0) -> None:
        self.directory = directory.absolute()
        self.chosen_port = port
        self.log = self.directory / "server.log"
        self._record = Record(self.directory / "server.json")
        self._supervisor: subprocess.Popen[str] | None = None

    @property
    def port(self) -> int:
        """Where it listens, or did last. 0 before the first start."""
        return self._record.port

    @property
    def pid(self) -> int | None:
        """The server's process, or None while it is down."""
        process = self._record.process()
        return process.pid if process else None

    @property
    def is_ours(self) -> bool:
        """Whether this object started it, so that it ends with us."""
        return self._supervisor is not None

    def start(self, *, detached: bool = False) -> None:
        """Start it and return when it answers. `detached`: it outlives this process.

        Raises:
            AlreadyRunning: it is up.
            PortTaken: another program has its port.
            NotStarted: it ended, or gave no answer; with the tail of its log.
        """
        if pid := self.pid:
            raise AlreadyRunning(f"{self.name} of {self.directory} is already running, pid {pid}; stop it first")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.chosen_port = self._pick_port()
        self._prepare(self.chosen_port)
        log_start = self.log.stat().st_size if self.log.exists() else 0
        self._launch(detached=detached)
        self._wait_for_answer(log_start)

    def stop(self) -> None:
        """End it in order; by force when that takes longer than `stop_timeout_s`. Nothing to do when it is down."""
        if process := self._record.process():
            end(process, self.stop_signal, self.stop_timeout_s)
        self._release_supervisor()

    def kill(self) -> None:
        """SIGKILL it and all its children, as a crash would."""
        if process := self._record.process():
            kill_tree(process)
        self._release_supervisor()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client would be served now. Asks it in its own protocol."""

    @abstractmethod
    def _prepare(self, port: int) -> None:
        """Write what the server reads at start; make its data directory when there is none."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command that becomes the server."""

    def _pick_port(self) -> int:
        """The one that was asked for, else the last one if it is free: addresses that were noted stay right."""
        if self.chosen_port:
            ports.require_free(self.chosen_port, self.name)
            return self.chosen_port
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
                start_new_session=True,  # Ctrl-C is for the starter, which then stops us in order
            )
        pid = self._supervisor.stdout.readline() if self._supervisor.stdout else ""
        self._record.write(self.chosen_port, ProcessId.of(int(pid)) if pid else None)
        if detached:
            self._release_supervisor()

    def _release_supervisor(self) -> None:
        """Close the supervisor's pipes and collect its exit code. A server that still runs under it is killed."""
        if self._supervisor is not None:
            with self._supervisor:
                self._supervisor = None

    def _wait_for_answer(self, log_start: int) -> None:
        wait_until(lambda: self.pid is None or self.answers(), self.start_timeout_s)
        if self.pid and self.answers():
            return
        trouble = f"gave no answer within {self.start_timeout_s:g} s" if self.pid else "ended at once"
        self.kill()
        raise NotStarted(f"{self.name} {trouble}. The end of {self.log}:\n{self._log_tail(log_start)}")

    def _log_tail(self, log_start: int) -> str:
        with self.log.open(errors="replace") as log:
            log.seek(log_start)
            return "".join(log.readlines()[-LOG_TAIL_LINES:]) or "(empty)"
