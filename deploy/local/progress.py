"""Shows the progress of a download."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.progress import Progress

LINES = 5  # where standard error is not a terminal


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show how many of `total` steps are done: a bar on a terminal, else a few plain lines.

    Yields a function to be called after each step, from any thread.
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
