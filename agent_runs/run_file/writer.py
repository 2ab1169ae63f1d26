"""Writes runs to a file, line by line."""

from hashlib import sha256
from typing import BinaryIO

from agent_runs.reader import RunSummary, StoredEvent
from agent_runs.run_file.lines import End, end_line, event_line, run_line


class RunWriter:
    """Writes one run: its first line at once, then its events, then its last line.

    Args:
        file: where to write.
        run: the run, with the number of events that will be written.
    """

    def __init__(self, file: BinaryIO, run: RunSummary) -> None:
        self._file = file
        self._run_id = run.id
        self._digest = sha256()
        self._events = 0
        self._write(run_line(run))

    def write(self, event: StoredEvent) -> None:
        """Write the next event."""
        self._write(event_line(event))
        self._events += 1

    def end(self, next_run_id: str | None = None) -> None:
        """Write the last line.

        Args:
            next_run_id: the run that is written to the same file after this one. Without it, a reader could not notice
                that the file was cut off between two runs.
        """
        digest = self._digest.hexdigest()
        self._file.write(end_line(End(self._run_id, self._events, digest, next_run_id)))

    def _write(self, line: bytes) -> None:
        self._digest.update(line)
        self._file.write(line)
