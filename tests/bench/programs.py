"""Programs that are measured: child processes, run to their end."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from typing import Final, NamedTuple

from tests.bench.periodic import periodically
from tests.support.servers.databases import CHECKOUT

_LOOK_S: Final = 0.05


class Ended(NamedTuple):
    """A process that ended well; memory is the most that it ever had resident, as Linux tells it."""

    wall_s: float
    cpu_s: float
    memory_mib: float


def run_process(command: Sequence[str], environment: Mapping[str, str], given: bytes | None = None) -> Ended:
    """Run it to its end; `given` is its standard input.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    began = perf_counter()
    peaks_mib = [0.0]
    with TemporaryFile() as said_file, TemporaryFile() as given_file:
        given_file.write(given or b"")
        given_file.seek(0)
        environment = {**os.environ, **environment}
        with subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdin=given_file, stdout=said_file, stderr=subprocess.STDOUT
        ) as process:
            with periodically(lambda: _look_at_memory(process.pid, peaks_mib), _LOOK_S):
                _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        said_file.seek(0)
        said = said_file.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said.decode()}")
    return Ended(perf_counter() - began, usage.ru_utime + usage.ru_stime, max(peaks_mib))


def _look_at_memory(pid: int, peaks_mib: list[float]) -> None:
    """What `wait4` says of memory will not do: it counts what was ours before the child became another program."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        peaks_mib.extend(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
