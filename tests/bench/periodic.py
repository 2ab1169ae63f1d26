"""Something that is looked at all along, from a thread of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def periodically(look: Callable[[], None], interval_s: float) -> Iterator[None]:
    """Look again and again, from one interval after the beginning of the block to its end."""
    ended = Event()

    def go_on() -> None:
        while not ended.wait(interval_s):
            look()

    thread = Thread(target=go_on, name=look.__name__)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
