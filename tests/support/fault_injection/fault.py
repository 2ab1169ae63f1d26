"""The places in the life of a process where something happens to it."""

import asyncio
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from signal import Signals
from typing import NamedTuple, Self

import psutil

MB = 1_000_000


class Silence(Exception):
    """From here on the Kafka client returns nothing, and doesn't know that anything is wrong."""


class Fault(NamedTuple):
    """What happens, and where: before or after so many calls of a step.

    `what` is a signal, or one of `EFFECTS`, which may take a number: `BLOCK=3`.
    """

    what: str
    when: str
    step: str
    call: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `SIGKILL before insert_events 2`."""
        what, when, step, call = text.split()
        return cls(what, when, step, int(call))

    def strike(self) -> float:
        """Let it happen. Returns how many seconds late the step is."""
        # Before it happens: who is killed can't tell any more.
        print(f"Struck by {' '.join(map(str, self))}", file=sys.stderr, flush=True)
        name, _, number = self.what.partition("=")
        if name == "LATE":
            return float(number)
        if name in EFFECTS:
            EFFECTS[name](float(number or 0))
        else:
            # A signal to oneself is delivered before `kill` returns: no instruction of ours comes in between.
            os.kill(os.getpid(), Signals[name])
        return 0.0


class Faults:
    """Counts the steps, and strikes at those that were chosen."""

    def __init__(self, chosen: Sequence[Fault]) -> None:
        self._chosen = {fault[1:]: fault for fault in chosen}
        self._calls: Counter[tuple[str, str]] = Counter()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read any number of faults, separated by `;`."""
        return cls([Fault.parse(part) for part in text.split(";")])

    async def reach(self, when: str, step: str) -> None:
        """We are before, or after, this step; it may be late."""
        if late_s := self.pass_by(when, step):
            await asyncio.sleep(late_s)

    def pass_by(self, when: str, step: str) -> float:
        """The same for a step that isn't one to wait in."""
        self._calls[when, step] += 1
        fault = self._chosen.get((when, step, self._calls[when, step]))
        return fault.strike() if fault else 0.0


def _raise(error: BaseException) -> None:
    raise error


def _move_clock(by_s: float) -> None:
    """The wall clock says another time from now on; timers, as on a machine whose clock is set, are not concerned."""
    true = time.time
    time.time = lambda: true() + by_s


def _limit_files(most: float) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(most), int(most)))


def _limit_memory(more_mb: float) -> None:
    """So much more address space than we have now, and no more."""
    most = psutil.Process().memory_info().vms + int(more_mb * MB)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


EFFECTS: Mapping[str, Callable[[float], None]] = {
    "BLOCK": time.sleep,  # and with it the event loop
    "CANCEL": lambda _: _raise(asyncio.CancelledError()),
    "CLOCK": _move_clock,
    "FILES": _limit_files,
    "MEMORY": _limit_memory,
    "RAISE": lambda _: _raise(RuntimeError("a fault of the test's")),
    "SILENCE": lambda _: _raise(Silence()),
}
