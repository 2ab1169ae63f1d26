"""The viewer, as a server beside Kafka and PostgreSQL."""

import http.client
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from signal import SIGTERM

from deploy.local import ports
from deploy.local.server import Server

ANSWER_TIMEOUT_S = 2


class Viewer(Server):
    """A viewer that answers this machine only, without a token.

    Args:
        directory: holds its log.
        port: 0 is any free port.
        environment: its settings, such as DATABASE_URL.
    """

    name = "Viewer"
    stop_signal = SIGTERM

    def __init__(self, directory: Path, port: int = 0, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(directory, port)
        self._environment = environment or {}

    @property
    def url(self) -> str:
        """The address of its first page."""
        return f"http://{ports.HOST}:{self.port}/"

    def is_ready(self) -> bool:
        """Whether it answers; it may wait for PostgreSQL or for the tables."""
        try:
            with closing(http.client.HTTPConnection(ports.HOST, self.port, timeout=ANSWER_TIMEOUT_S)) as connection:
                connection.request("HEAD", "/static/icon.svg")
                return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def _prepare(self, port: int) -> None:
        self._environment = {
            **self._environment,
            "AGENT_RUNS_VIEWER_HOST": ports.HOST,
            "AGENT_RUNS_VIEWER_PORT": str(port),
        }

    def _command(self) -> list[str]:
        # The supervisor gives its servers an environment without any setting.
        settings = [f"{name}={value}" for name, value in self._environment.items()]
        return ["env", *settings, sys.executable, "-m", "viewer"]
