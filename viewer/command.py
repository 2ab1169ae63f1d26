"""The command `agent-runs-viewer`: checks settings and database, listens, and serves until SIGINT or SIGTERM."""

import os
import sys
from typing import NoReturn

_USAGE = 2


def main() -> NoReturn:
    """Run the viewer, and exit: 0 after a signal, 2 for wrong settings or an unsuitable database, 3 unexpectedly."""
    try:
        from viewer.server import run  # noqa: PLC0415  # the extra `viewer` may not be installed
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("viewer", "agent_runs"):
            raise
        sys.stderr.write(f"error: the viewer needs the package {error.name!r}: pip install 'agent-runs[viewer]'\n")
        sys.exit(_USAGE)
    sys.exit(run(os.environ))
