"""Runs measured programs as child processes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from typing import Any, Final, NamedTuple

from tests.bench.sampling import run_periodically
from tests.support.paths import CHECKOUT

_MEMORY_INTERVAL_S: Final = 0.05


class ProcessUsage(NamedTuple):
    """The resources that a process used from start to end: wall-clock and processor time, and memory.

    Attributes:
        memory_mib: the largest resident set, sampled every 50 ms; 0 if never sampled or not on Linux.
    """

    wall_s: float
    cpu_s: float
    memory_mib: float


def run_process(command: Sequence[str], environment: Mapping[str, str], stdin: bytes = b"") -> ProcessUsage:
    """Run a command to its end, with the environment of this process and the given variables.

    Raises:
        RuntimeError: the exit code is not 0. The message contains the output.
    """
    started = perf_counter()
    peaks_mib = [0.0]
    with TemporaryFile() as output_file, TemporaryFile() as input_file:
        input_file.write(stdin)
        input_file.seek(0)
        environment = {**os.environ, **environment}
        with subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdin=input_file, stdout=output_file, stderr=subprocess.STDOUT
        ) as process:
            with run_periodically(lambda: _append_peak_memory(process.pid, peaks_mib), _MEMORY_INTERVAL_S):
                _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        output_file.seek(0)
        output = output_file.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}:\n{output.decode()}")
    return ProcessUsage(perf_counter() - started, usage.ru_utime + usage.ru_stime, max(peaks_mib))


def run_json_module(module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Any:
    """Run `python -m module` to its end, and parse the JSON that it prints.

    Raises:
        RuntimeError: the exit code is not 0. The message contains the output.
    """
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, **(environment or {})}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def peak_memory_mib(pid: int) -> float:
    """Return the peak memory of a running process in MiB.

    Not the maximum that `wait4` and `getrusage` return: it includes the memory of the parent before the child's exec.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return max(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _append_peak_memory(pid: int, peaks_mib: list[float]) -> None:
    with suppress(OSError, ValueError):  # the process has ended; a zombie has no peak
        peaks_mib.append(peak_memory_mib(pid))
