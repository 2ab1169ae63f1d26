"""Faults, and the steps of the process at which they are injected."""

import asyncio
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from signal import SIGUSR1, Signals
from typing import NamedTuple, Self

import psutil

MB = 1_000_000


class Silence(Exception):
    """From now on the Kafka client returns no records, and reports no error."""


class Fault(NamedTuple):
    """A fault, and the step at which it is injected.

    Attributes:
        what: a signal, `LATE` or one of `EFFECTS`; with a number, if it takes one: `BLOCK=3`.
        when: "before" or "after".
        step: the name of the step.
        call: which call of the step, from 1.
    """

    what: str
    when: str
    step: str
    call: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a text like `SIGKILL before insert_events 2`."""
        what, when, step, call = text.split()
        return cls(what, when, step, int(call))

    def inject(self) -> float:
        """Inject the fault. Returns the seconds by which the step must be delayed."""
        # Printed first: a process that is killed prints nothing more.
        print(f"Injected fault: {' '.join(map(str, self))}", file=sys.stderr, flush=True)
        name, _, number = self.what.partition("=")
        if name == "LATE":
            return float(number)
        if name in EFFECTS:
            EFFECTS[name](float(number or 0))
        else:
            # A signal to the own process is delivered before `kill` returns: no other code runs in between.
            os.kill(os.getpid(), Signals[name])
        return 0.0


class Faults:
    """Counts the calls of the steps, and injects the chosen faults."""

    def __init__(self, chosen: Sequence[Fault]) -> None:
        self._chosen = {fault[1:]: fault for fault in chosen}
        self._calls: Counter[tuple[str, str]] = Counter()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse any number of faults, separated by `;`."""
        return cls([Fault.parse(part) for part in text.split(";")])

    async def reach(self, when: str, step: str) -> None:
        """Called before and after each step; may wait."""
        if late_s := self.reach_at_once(when, step):
            await asyncio.sleep(late_s)

    def reach_at_once(self, when: str, step: str) -> float:
        """Do the same for a step that cannot wait. Returns the seconds of delay that were not waited."""
        self._calls[when, step] += 1
        fault = self._chosen.get((when, step, self._calls[when, step]))
        return fault.inject() if fault else 0.0


def _raise(error: BaseException) -> None:
    raise error


def _block_until_sigusr1() -> None:
    """Block the event loop until the process gets SIGUSR1."""
    received: list[int] = []
    signal.signal(SIGUSR1, lambda number, _: received.append(number))
    while not received:
        time.sleep(0.01)


def _move_clock(by_s: float) -> None:
    """Set the wall clock of this process; its monotonic clock continues, as on a machine whose clock is set."""
    unmoved = time.time
    time.time = lambda: unmoved() + by_s


def _limit_files(most: float) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(most), int(most)))


def _limit_memory(more_mb: float) -> None:
    """Limit the address space to its present size and `more_mb` more."""
    most = psutil.Process().memory_info().vms + int(more_mb * MB)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


EFFECTS: Mapping[str, Callable[[float], None]] = {
    "BLOCK": time.sleep,  # blocks the event loop
    "BLOCK_UNTIL_SIGUSR1": lambda _: _block_until_sigusr1(),
    "CANCEL": lambda _: _raise(asyncio.CancelledError()),
    "CLOCK": _move_clock,
    "FILES": _limit_files,
    "MEMORY": _limit_memory,
    "NO_MEMORY": lambda _: _raise(MemoryError()),
    "RAISE": lambda _: _raise(RuntimeError("an injected fault")),
    "SILENCE": lambda _: _raise(Silence()),
}
