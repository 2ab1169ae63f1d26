"""The parent of a server: it ends the server when its starter ends, also by SIGKILL.

    python -m deploy.local.supervisor supervise|detach COMMAND…

Its standard input is a pipe whose other end only the starter holds. The kernel closes that end whatever the starter
dies of, and we read the end of the file. On standard output goes the server's pid; standard error is the server's log.
With `detach` the server is left to itself and the supervisor ends at once.

Should the supervisor itself be killed, Linux kills the server (PR_SET_PDEATHSIG). That alone would not do: other
systems don't have it. There the starter's own `stop` still finds the server by its pid, and the next start in the
same directory names it.
"""

import ctypes
import os
import subprocess
import sys
import threading
from signal import SIGKILL

import psutil

from deploy.local.processes import SERVER_ENVIRONMENT, kill_tree

PR_SET_PDEATHSIG = 1


def main(mode: str, command: list[str]) -> int:
    """Run the command as the mode says. Returns its exit code, or 0 at once for `detach`."""
    supervised = mode == "supervise"
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        env=SERVER_ENVIRONMENT,
        preexec_fn=_die_with_parent if supervised else None,  # noqa: PLW1509 (there is no other thread yet)
    )
    print(server.pid, flush=True)
    if not supervised:
        return 0
    threading.Thread(target=_end_with_starter, args=(psutil.Process(server.pid),), daemon=True).start()
    return server.wait()


def _end_with_starter(server: psutil.Process) -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: it returns when the starter is gone
    kill_tree(server)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
