"""Runs `python -m consumer`, and ends it when the demo ends, even if the demo is killed and cannot clean up.

    python -m examples.demo.end_with_parent COMMAND…

Standard input is a pipe whose other end is open in the demo only. The kernel closes it, however the demo ends.
"""

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Run the module `consumer` with the arguments of this process."""
    # In this process, not in a child: its pid, its exit code and its death by SIGKILL are those of the consumer.
    threading.Thread(target=_kill_at_end_of_input, daemon=True).start()
    runpy.run_module("consumer", run_name="__main__", alter_sys=True)


def _kill_at_end_of_input() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
