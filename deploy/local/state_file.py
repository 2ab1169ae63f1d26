"""The file in a server's directory that holds the server's port and process."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from deploy.local.processes import ProcessIdentity


@dataclass(frozen=True)
class StateFile:
    """Lets every process that has the directory find the server: the next start, or `down` in another terminal."""

    file: Path

    @property
    def port(self) -> int:
        """The last port; 0 before the first start."""
        return int(self._read().get("port", 0))

    def process(self) -> psutil.Process | None:
        """The server's process while it runs, else None."""
        content = self._read()
        return ProcessIdentity(content["pid"], content["started"]).process() if "pid" in content else None

    def write(self, port: int, process: ProcessIdentity | None) -> None:
        """Store the port and process of a start. `process` is None if it ended before it could be inspected."""
        content = {"port": port} | ({"pid": process.pid, "started": process.started} if process else {})
        partial = self.file.with_suffix(".new")
        partial.write_text(json.dumps(content))
        partial.replace(self.file)

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.file.read_text())
        except FileNotFoundError:
            return {}
        return content
