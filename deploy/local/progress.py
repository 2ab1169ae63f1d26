"""Tell whoever waits how far a download is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.progress import Progress

LINES = 5  # in a log file, where a bar would be noise


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Yields what is to be called, from any thread, after each of `total` steps.

    Shows a bar on a terminal, else plain lines.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"downloading {what}", file=sys.stderr, flush=True)
        yield _lines(total)
        return
    with Progress(console=console) as bar:
        task = bar.add_task(f"downloading {what}", total=total)
        yield lambda: bar.advance(task)


def _lines(total: int) -> Callable[[], None]:
    steps = count(1)

    def advance() -> None:
        done = next(steps)
        if done * LINES // total > (done - 1) * LINES // total:
            print(f"  {done} of {total}", file=sys.stderr, flush=True)

    return advance
