"""Processor time, read all along a turn: of the client, of each server, of the whole machine."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import thread_time, time
from typing import Final, NamedTuple

import psutil

from tests.bench.periodic import periodically
from tests.bench.stage import Stage

# A reading takes some milliseconds: rarely enough to cost nothing, and times in between are interpolated.
_INTERVAL_S: Final = 0.25


class Reading(NamedTuple):
    """The clocks at one moment, or what passed on them between two; in seconds.

    Attributes:
        client: this process and all its children that are no servers.
        machine: whatever ran, ours or not.
    """

    at: float
    client: float
    kafka: float
    postgres: float
    machine: float

    def until(self, later: "Reading") -> "Reading":
        """What passed."""
        return Reading(*(after - before for before, after in zip(self, later, strict=True)))

    def others_share(self) -> float:
        """Of all that the cores could give, how much processes took that have no part in this."""
        others = self.machine - self.client - self.kafka - self.postgres
        return max(0.0, others / (self.at * (os.cpu_count() or 1)))


@contextmanager
def reading_clocks(stage: Stage) -> Iterator[list[Reading]]:
    """Read the clocks from here to the end of the block; the list is complete then."""
    readings = [read(stage)]
    own_s = 0.0

    def look() -> None:
        nonlocal own_s
        reading = read(stage)
        own_s = thread_time()
        note(readings, reading, own_s)

    try:
        with periodically(look, _INTERVAL_S):
            yield readings
    finally:
        note(readings, read(stage), own_s)


def note(readings: list[Reading], reading: Reading, own_s: float) -> None:
    """Add a reading, without what this process spent on those before: to read takes longer than many a client."""
    reading = reading._replace(client=reading.client - own_s)
    # A process that ends while the tree is read is in neither its parent's account nor the list, and in the next
    # reading it is: clocks do not go back.
    readings.append(Reading(*map(max, readings[-1], reading)))


def read(stage: Stage) -> Reading:
    """The clocks now. Only Linux adds up the children that have ended: elsewhere the servers' clocks say too little."""
    machine = psutil.cpu_times()
    busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)
    kafka, postgres, all_ours = _tree(stage.kafka_pid), _tree(stage.postgres_pid), _tree(os.getpid())
    return Reading(time(), all_ours - kafka - postgres, kafka, postgres, busy)


def at(readings: Sequence[Reading], moment: float) -> Reading:
    """The clocks at a moment between two readings."""
    place = min(max(1, bisect_left([reading.at for reading in readings], moment)), len(readings) - 1)
    before, after = readings[place - 1], readings[place]
    share = (moment - before.at) / (after.at - before.at)
    return Reading(*(old + share * (new - old) for old, new in zip(before, after, strict=True)))


def _tree(pid: int) -> float:
    root = psutil.Process(pid)
    return _process(root) + sum(map(_process, root.children(recursive=True)))


def _process(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
