"""Processor time: of a child that has ended, of a server with all its processes."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from typing import NamedTuple, Self

import psutil

from tests.servers.databases import CHECKOUT


class Ended(NamedTuple):
    """A process that ended well."""

    wall_s: float
    cpu_s: float


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
    return Ended(perf_counter() - began, usage.ru_utime + usage.ru_stime)


class Snapshot(NamedTuple):
    """The clocks at one moment, or what passed on them between two."""

    wall_s: float
    machine_s: float
    kafka_s: float
    postgres_s: float

    def until(self, later: Self) -> Self:
        """What passed."""
        return type(self)(*(after - before for before, after in zip(self, later, strict=True)))

    def others_share(self, client_s: float) -> float:
        """Of all that the cores could give, how much processes took that have no part in this."""
        others_s = self.machine_s - self.kafka_s - self.postgres_s - client_s
        return max(0.0, others_s / (self.wall_s * (os.cpu_count() or 1)))


def snapshot(kafka_pid: int, postgres_pid: int) -> Snapshot:
    """The clocks now. Only Linux adds up the children that have ended: elsewhere PostgreSQL's clock says too little."""
    machine = psutil.cpu_times()
    busy_s = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)
    return Snapshot(perf_counter(), busy_s, _tree_s(kafka_pid), _tree_s(postgres_pid))


def _tree_s(pid: int) -> float:
    root = psutil.Process(pid)
    return _process_s(root) + sum(map(_process_s, root.children()))


def _process_s(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
