"""The command `agent-runs-viewer`: checks settings and database, listens, and serves until SIGINT or SIGTERM."""

import os
import sys
from typing import NoReturn

from agent_runs.standard_streams import open_closed_streams

_USAGE = 2
_HELP = """Usage: agent-runs-viewer

Shows runs in a browser. It has no options: variables of the environment are its settings. DATABASE_URL is required;
AGENT_RUNS_VIEWER_HOST and AGENT_RUNS_VIEWER_PORT are where it listens (127.0.0.1 and 8020). docs/viewer.md lists all.
"""


def main() -> NoReturn:
    """Run the viewer, and exit: 0 after a signal, 2 for wrong settings or an unsuitable database, 3 unexpectedly."""
    open_closed_streams()
    if sys.argv[1:]:
        _end_with_help(sys.argv[1:])
    try:
        from viewer.server import run  # noqa: PLC0415  # the extra `viewer` may not be installed
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("viewer", "agent_runs"):
            raise
        sys.stderr.write(f"error: the viewer needs the package {error.name!r}: pip install 'agent-runs[viewer]'\n")
        sys.exit(_USAGE)
    sys.exit(run(os.environ))


def _end_with_help(arguments: list[str]) -> NoReturn:
    if arguments in (["--help"], ["-h"]):
        sys.stdout.write(_HELP)
        sys.exit(0)
    sys.stderr.write(f"{_HELP}\nerror: {arguments[0]!r}: the viewer has no arguments: set the variable instead\n")
    sys.exit(_USAGE)
