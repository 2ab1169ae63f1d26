"""Wakes the delivery's loop from an agent's thread, at no cost while it is awake."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Bell:
    """One for each loop; rung by any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._rung = asyncio.Event()
        self._asleep = False

    def ring(self) -> None:
        """There is something to do."""
        # A system call for every event would cost an agent more than all the rest, and the interpreter's lock with it.
        if self._asleep:
            self._asleep = False
            with suppress(RuntimeError):  # the loop has closed; whoever comes next looks before it sleeps
                self._loop.call_soon_threadsafe(self._rung.set)

    async def sleep_unless(self, is_needed: Callable[[], bool]) -> None:
        """Sleep until it rings."""
        self._rung.clear()
        self._asleep = True
        if not is_needed():  # asked after `_asleep` was set: what comes from now on rings
            await self._rung.wait()
        self._asleep = False
