"""Programs that are measured: child processes, run to their end."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from tempfile import TemporaryFile
from time import perf_counter
from typing import NamedTuple

from tests.servers.databases import CHECKOUT


class Ended(NamedTuple):
    """A process that ended well; memory is the most that it ever had resident."""

    wall_s: float
    cpu_s: float
    memory_mib: float


def run_process(command: Sequence[str], environment: Mapping[str, str], given: bytes | None = None) -> Ended:
    """Run it to its end; `given` is its standard input.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    began = perf_counter()
    with TemporaryFile() as said_file, TemporaryFile() as given_file:
        given_file.write(given or b"")
        given_file.seek(0)
        with subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**os.environ, **environment},
            stdin=given_file,
            stdout=said_file,
            stderr=subprocess.STDOUT,
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        said_file.seek(0)
        said = said_file.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said.decode()}")
    return Ended(perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
