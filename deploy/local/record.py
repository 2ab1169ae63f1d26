"""What a server's directory remembers of its server: the port, and which process it is."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from deploy.local.processes import ProcessId


@dataclass(frozen=True)
class Record:
    """A file that whoever is given the directory can read: the next start, `down` in another terminal."""

    file: Path

    @property
    def port(self) -> int:
        """The last port; 0 when there was none yet."""
        return int(self._read().get("port", 0))

    def process(self) -> psutil.Process | None:
        """The server, while it runs."""
        content = self._read()
        return ProcessId(content["pid"], content["started"]).process() if "pid" in content else None

    def write(self, port: int, process: ProcessId | None) -> None:
        """Remember a start. `process` is None when it had ended before it could be looked at."""
        content = {"port": port} | ({"pid": process.pid, "started": process.started} if process else {})
        half_written = self.file.with_suffix(".new")
        half_written.write_text(json.dumps(content))
        half_written.replace(self.file)

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.file.read_text())
        except FileNotFoundError:
            return {}
        return content
