"""Leaves most of the machine to the consumers while they store many events."""

import asyncio
import time
from typing import Final

from consumer.verify.pages import Fetches

_BUSY_RECORDS_PER_S: Final = 5000  # with fewer, the consumers wait for records and not for processors
# In times of the processor time that this process used. PostgreSQL uses about as much for it, so both take a sixth of
# one processor. The time on the clock would not do: pages are also read during a pause.
_PAUSE: Final = 10.0
_CHECK_INTERVAL_S: Final = 1.0


class Pace:
    """Pauses after each page while the consumers pass more than 5,000 records/s, so that these lose little."""

    def __init__(self, session: Fetches) -> None:
        self._session = session
        self._checked_at: float | None = None
        self._passed = 0
        self._is_busy = False
        self._used_s = time.process_time()

    async def pause(self) -> None:
        """Wait in proportion to the processor time that was used since the last call, if the consumers are busy."""
        await self._check()
        before_s, self._used_s = self._used_s, time.process_time()
        if self._is_busy:
            await asyncio.sleep((self._used_s - before_s) * _PAUSE)

    async def _check(self) -> None:
        now = time.monotonic()
        if self._checked_at is not None and now - self._checked_at < _CHECK_INTERVAL_S:
            return
        (row,) = await self._session.fetch("passed_records")
        if self._checked_at is None:
            self._is_busy = row["has_moved"]  # until the first second is over, and the rate is known
        else:
            self._is_busy = row["passed"] - self._passed > _BUSY_RECORDS_PER_S * (now - self._checked_at)
        self._passed, self._checked_at = row["passed"], now
