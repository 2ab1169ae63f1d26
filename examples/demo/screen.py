"""What is seen while it happens, and its form for pipes and logs: a line a second."""

import time
from dataclasses import dataclass
from typing import Protocol, Self

from rich.console import Console

from examples.demo.books import Numbers
from examples.demo.fleet import Consumer

# In the order of a run's life, with the colour that each has everywhere in the demo.
STATUSES = {"running": "cyan", "waiting": "yellow", "completed": "green", "failed": "red"}
PLAIN_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class View:
    """One moment of the show."""

    numbers: Numbers
    published: int
    consumers: list[Consumer]


class Screen(Protocol):
    """Where the show is seen; a context around it."""

    def say(self, text: str) -> None:
        """Something has happened. The text may contain rich's markup."""

    def show(self, view: View) -> None:
        """This is how things stand."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Stopwatch:
    """Seconds since the show began, as they stand in front of each line."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __str__(self) -> str:
        return f"{time.monotonic() - self._began:6.1f} s"


class PlainScreen:
    """A line a second, for whatever cannot move its cursor."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stopwatch = Stopwatch()
        self._next_line = 0.0

    def say(self, text: str) -> None:
        """A line, with its time."""
        self._console.print(f"{self._stopwatch}  {text}")

    def show(self, view: View) -> None:
        """A line, if the last one is long enough ago."""
        if time.monotonic() < self._next_line:
            return
        self._next_line = time.monotonic() + PLAIN_EVERY_S
        numbers = view.numbers
        runs = "  ".join(f"{status} {numbers.runs.get(status, 0):>3}" for status in STATUSES)
        self.say(f"[dim]{runs}  stored {numbers.stored:>5,}  lag {numbers.lag:>4,}[/]")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
