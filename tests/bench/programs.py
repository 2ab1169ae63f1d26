"""Programs that are measured: child processes, run to their end."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import NamedTuple

from tests.servers.databases import CHECKOUT


class Ended(NamedTuple):
    """A process that ended well; memory is the most that it ever had resident."""

    wall_s: float
    cpu_s: float
    memory_mib: float


def run_process(command: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Run it to its end.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    began = perf_counter()
    with subprocess.Popen(
        command, cwd=CHECKOUT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said.decode()}")
    return Ended(perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
