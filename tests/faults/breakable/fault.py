"""The one place in the life of a process where it gets a signal from itself."""

import os
from collections import Counter
from signal import Signals
from typing import NamedTuple, Self


class Fault(NamedTuple):
    """The signal, and where: before or after so many calls of a step."""

    signal: Signals
    when: str
    step: str
    call: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `SIGKILL before insert_events 2`."""
        name, when, step, call = text.split()
        return cls(Signals[name], when, step, int(call))


class Faults:
    """Counts the steps, and strikes at the one that was chosen."""

    def __init__(self, chosen: Fault) -> None:
        self._chosen = chosen
        self._calls: Counter[tuple[str, str]] = Counter()

    def reach(self, when: str, step: str) -> None:
        """We are before, or after, this step."""
        self._calls[when, step] += 1
        place = (when, step, self._calls[when, step])
        if place == self._chosen[1:]:
            # A signal to oneself is delivered before `kill` returns: no instruction of ours comes in between.
            os.kill(os.getpid(), self._chosen.signal)
