"""Wakes the delivery's loop from an agent's thread, at no cost while it is awake."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Bell:
    """One for each loop; rung by any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sleep: _Sleep | None = None

    def ring(self) -> None:
        """There is something to do."""
        sleep = self._sleep
        # A system call for every event would cost an agent more than all the rest, and the interpreter's lock with it.
        if sleep is None or sleep.is_disturbed:
            return
        with suppress(RuntimeError):  # the loop has closed; whoever comes next looks before it sleeps
            self._loop.call_soon_threadsafe(sleep.rung.set)
        # Only now, for an exception out of a signal handler; and in this sleep only, for the next may have begun.
        sleep.is_disturbed = True

    async def sleep_unless(self, is_needed: Callable[[], bool]) -> None:
        """Sleep until it rings."""
        sleep = self._sleep = _Sleep()
        if not is_needed():  # asked after we said that we sleep: what comes from now on rings
            await sleep.rung.wait()
        self._sleep = None


class _Sleep:
    def __init__(self) -> None:
        self.rung = asyncio.Event()
        self.is_disturbed = False
