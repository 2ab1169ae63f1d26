"""Calls a function periodically in the background."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def run_periodically(action: Callable[[], None], interval_s: float) -> Iterator[None]:
    """Call the action in a thread, every `interval_s` until the end of the block, first after one interval."""
    ended = Event()

    def repeat() -> None:
        while not ended.wait(interval_s):
            action()

    thread = Thread(target=repeat, name=action.__name__)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
