"""Writes runs to run files (JSON lines), reads run files without a database, and publishes their events again.

`docs/run-file.md` describes the format. `RunFile` has the methods of `agent_runs.reader.Reader`, and needs no extra.

May import: codec, emitter, errors, reader, settings.
"""

from typing import TYPE_CHECKING, Any

from agent_runs.run_file.errors import InvalidRunFile, PageTooLarge, RunNotFound, TooManyRuns
from agent_runs.run_file.export import export_runs, with_descendants
from agent_runs.run_file.run_file import RunFile

if TYPE_CHECKING:
    from agent_runs.run_file.publish import import_runs

__all__ = [
    "InvalidRunFile",
    "PageTooLarge",
    "RunFile",
    "RunNotFound",
    "TooManyRuns",
    "export_runs",
    "import_runs",
    "with_descendants",
]


def __getattr__(name: str) -> Any:
    """Import the publishing functions on first access, so that reading a file loads no Kafka client."""
    if name == "import_runs":
        from agent_runs.run_file.publish import import_runs  # noqa: PLC0415

        return import_runs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
