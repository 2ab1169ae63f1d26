"""`python -m consumer …` on a leash: it ends when the demo ends, even when that is killed and cannot clear away.

    python -m examples.demo.leash COMMAND…

Standard input is a pipe whose other end only the demo holds. Whatever the demo dies of, the kernel closes it.
"""

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Become `python -m consumer` with the same arguments."""
    # In the same process, not around it: its pid, its exit code and its death by SIGKILL are the consumer's own.
    threading.Thread(target=_die_with_the_demo, daemon=True).start()
    runpy.run_module("consumer", run_name="__main__", alter_sys=True)


def _die_with_the_demo() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
