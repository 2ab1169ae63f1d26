"""Samples the processor time of the client, of each server and of the machine while a system is measured."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import thread_time, time
from typing import Final, NamedTuple

import psutil

from tests.bench.sampling import run_periodically
from tests.bench.servers import Servers

# A sample takes some milliseconds. Times between two samples are interpolated.
_INTERVAL_S: Final = 0.25


class CpuTimes(NamedTuple):
    """Processor times at one moment, or the differences between two moments; all in seconds.

    Attributes:
        at: wall-clock time since 1970.
        client: this process and all its descendants except the servers.
        kafka: the Kafka server.
        postgres: all processes of PostgreSQL.
        machine: all processes of the machine.
    """

    at: float
    client: float
    kafka: float
    postgres: float
    machine: float

    def until(self, later: "CpuTimes") -> "CpuTimes":
        """Return the differences from this sample to a later one."""
        return CpuTimes(*(after - before for before, after in zip(self, later, strict=True)))

    def others_share(self) -> float:
        """Return the share (0 to 1) of all cores' time that processes outside of the benchmark used.

        Call on a difference of two samples.
        """
        others = self.machine - self.client - self.kafka - self.postgres
        return max(0.0, others / (self.at * (os.cpu_count() or 1)))


@contextmanager
def sample_cpu_times(servers: Servers) -> Iterator[list[CpuTimes]]:
    """Sample until the end of the block. The yielded list is complete when the block has ended."""
    samples = [_read(servers)]
    sampling_s = 0.0

    def sample() -> None:
        nonlocal sampling_s
        current = _read(servers)
        sampling_s = thread_time()
        append_sample(samples, current, sampling_s)

    try:
        with run_periodically(sample, _INTERVAL_S):
            yield samples
    finally:
        append_sample(samples, _read(servers), sampling_s)


def append_sample(samples: list[CpuTimes], sample: CpuTimes, sampling_s: float) -> None:
    """Append a sample, without the processor time of sampling itself.

    That time is subtracted because sampling can use more processor time than a client.

    Args:
        sampling_s: the processor time that sampling has used so far.
    """
    sample = sample._replace(client=sample.client - sampling_s)
    # The maximum with the last sample, because a sample misses the time of a process that ends while the tree is read:
    # it is no longer a child, and the parent's time was read before. The next sample includes that time.
    samples.append(CpuTimes(*map(max, samples[-1], sample)))


def interpolate(samples: Sequence[CpuTimes], moment: float) -> CpuTimes:
    """Return the processor times at a moment between the first and the last sample."""
    index = min(max(1, bisect_left([sample.at for sample in samples], moment)), len(samples) - 1)
    before, after = samples[index - 1], samples[index]
    share = (moment - before.at) / (after.at - before.at)
    return CpuTimes(*(earlier + share * (later - earlier) for earlier, later in zip(before, after, strict=True)))


def _read(servers: Servers) -> CpuTimes:
    # Only Linux counts children that have ended. On other systems the servers' times are too small.
    machine = psutil.cpu_times()
    busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)
    kafka, postgres, own_tree = _tree(servers.kafka_pid), _tree(servers.postgres_pid), _tree(os.getpid())
    return CpuTimes(time(), own_tree - kafka - postgres, kafka, postgres, busy)


def _tree(pid: int) -> float:
    root = psutil.Process(pid)
    return _process(root) + sum(map(_process, root.children(recursive=True)))


def _process(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
