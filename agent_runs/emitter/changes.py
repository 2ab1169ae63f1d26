"""Changes to one thing by many threads, one at a time: nobody waits long for another, and nobody for himself.

A lock alone would not do. A finaliser or a signal handler may run between any two lines of a change, and emit; it may
wait for a lock of the agent's whose holder is about to emit. So whoever finds a change under way does not insist: his
own is put off, and made by the next who comes.
"""

import sys
from collections import deque
from collections.abc import Callable
from threading import RLock, get_ident
from typing import Any


class Busy(Exception):
    """Somebody is in the middle of a change, perhaps the caller himself."""


class Changes:
    """Made one at a time, in the order of their coming."""

    def __init__(self) -> None:
        self._lock = RLock()  # unlike a `Lock`, it knows whose it is
        self._threads_within: set[int] = set()  # that make one, or are about to
        self._postponed: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()

    @property
    def is_within(self) -> bool:
        """Whether we are called from the middle of a change: whoever waits here waits for himself."""
        return get_ident() in self._threads_within

    @property
    def postponed(self) -> int:
        """How many are still to be made."""
        return len(self._postponed)

    def make(self, change: Callable[..., Any], *arguments: Any, patience_s: float = -1) -> Any:
        """Make one, and what was put off before it. Returns its result.

        Raises:
            Busy: it was not made, for another was under way all the time; without `patience_s`, only from within one.
        """
        thread = get_ident()
        if thread in self._threads_within:
            raise Busy
        # A signal handler may come between any two of these lines, and may raise.
        try:
            self._threads_within.add(thread)
            # Python is at its end: whoever has the lock will never run again.
            if not self._lock.acquire(timeout=patience_s) and not sys.is_finalizing():
                raise Busy
            self._catch_up()
            result = change(*arguments)
        finally:
            try:
                self._lock.release()
            except RuntimeError:
                pass  # it was not ours
            finally:
                self._threads_within.discard(thread)
        return result

    def postpone(self, change: Callable[..., Any], *arguments: Any) -> None:
        """Leave one to the next who comes."""
        self._postponed.append((change, arguments))

    def _catch_up(self) -> None:
        while self._postponed:
            change, arguments = self._postponed.popleft()
            change(*arguments)
