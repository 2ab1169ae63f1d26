"""The parent process of a server. It kills the server when the starter ends, even if the starter is killed.

    python -m deploy.local.supervisor supervise|detach COMMAND…

Standard input is a pipe whose write end only the starter holds. However the starter ends, the kernel closes that end,
and the supervisor reads end-of-file. The supervisor writes the server's pid to standard output; standard error is the
server's log. With `detach` the supervisor ends at once, and the server continues without it.

If the supervisor itself is killed, Linux kills the server (PR_SET_PDEATHSIG). That alone is not enough, because other
systems do not have it. There, the starter's own `stop` still finds the server by its pid, and the next start in the
same directory reports that it is running.
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
    """Run the command. `supervise` returns its exit code when it ends; `detach` returns 0 at once."""
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
    threading.Thread(target=_kill_when_starter_ends, args=(psutil.Process(server.pid),), daemon=True).start()
    return server.wait()


def _kill_when_starter_ends(server: psutil.Process) -> None:
    os.read(sys.stdin.fileno(), 1)  # the starter never writes: this returns when the pipe is closed
    kill_tree(server)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
