"""Leaves most of the machine to the consumers while they store many events."""

import asyncio
import time
from typing import Final

from consumer.verify.pages import Fetches

_BUSY_RECORDS_PER_S: Final = 5000  # with fewer, the consumers wait for records and not for processors
_PAUSE: Final = 5.0  # in times of the work before it: a sixth of the time is left to this process
_CHECK_INTERVAL_S: Final = 1.0


class Pace:
    """Pauses after each page while the consumers pass more than 5,000 records/s, so that these lose little."""

    def __init__(self, session: Fetches) -> None:
        self._session = session
        self._checked_at: float | None = None
        self._passed = 0
        self._is_busy = False
        self._resumed_at = time.monotonic()

    async def pause(self) -> None:
        """Wait in proportion to the time since the last call, if the consumers are busy."""
        worked_s = time.monotonic() - self._resumed_at
        await self._check()
        if self._is_busy:
            await asyncio.sleep(worked_s * _PAUSE)
        self._resumed_at = time.monotonic()

    async def _check(self) -> None:
        now = time.monotonic()
        if self._checked_at is not None and now - self._checked_at < _CHECK_INTERVAL_S:
            return
        (row,) = await self._session.fetch("passed_records")
        if self._checked_at is not None:
            self._is_busy = row["passed"] - self._passed > _BUSY_RECORDS_PER_S * (now - self._checked_at)
        self._passed, self._checked_at = row["passed"], now
