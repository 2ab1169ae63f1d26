"""Chooses how many records one fetch returns at most."""

from typing import Final

from agent_runs.kafka.decompression import decompression_limit

_MOST: Final = 100_000  # more records than any caller fetches at once


class FetchSize:
    """Fewer records after a fetch whose batches expand too much together; more again after each fetch that succeeds.

    The client has no bound in bytes: its bounds apply to compressed batches.
    """

    def __init__(self) -> None:
        self._records: int | None = None  # None: no bound but the caller's

    def begin(self, most: int) -> int:
        """Return how many records to fetch, at most `most`, and begin to count what the client decompresses."""
        records = most if self._records is None else min(most, self._records)
        decompression_limit.begin_fetch(records)
        return records

    def grow(self) -> None:
        """Double the number, after a fetch that succeeded."""
        if self._records is not None:
            self._records = 2 * self._records if self._records < _MOST else None

    def shrink(self, failed: int) -> None:
        """Fetch an eighth of the records that the failed fetch asked for, at least one."""
        self._records = max(1, failed // 8)
