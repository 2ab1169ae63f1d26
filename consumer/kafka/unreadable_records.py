"""Finds the record that makes a fetch fail."""

import time
from collections.abc import Collection
from typing import Final

import structlog

from consumer.model.claims import Claim

_log = structlog.get_logger()

# How many fetches of one record must fail before the record counts as unreadable. More than one, because a bit flipped
# in transit is correct in the next fetch.
_TRIES: Final = 3
# How many records of a partition are fetched one by one, at most, until the partition is fetched normally again.
_RECORDS: Final = 10_000


class UnreadableRecordSearch:
    """Chooses the partition to fetch alone, record by record, after a fetch failed over a record that cannot be read.

    It is fetched alone, because a fetch that fails loses the records of all its partitions; and record by record, so
    that all records before the unreadable one are stored.
    """

    def __init__(self) -> None:
        self._records_left: dict[Claim, int] = {}
        self._failures = 0
        self._started_at = 0.0

    def start(self, claims: Collection[Claim]) -> None:
        """Search these partitions, after a fetch of all of them has failed."""
        self._records_left = dict.fromkeys(claims, _RECORDS)
        self._failures = 0
        self._started_at = time.monotonic()

    def next(self, ready: Collection[Claim]) -> Claim | None:
        """Return the partition to fetch alone, one record at a time; None if there is none to search."""
        self._records_left = {claim: left for claim, left in self._records_left.items() if claim in ready}
        return next(iter(self._records_left), None)

    def on_read(self, claim: Claim, records: int) -> None:
        """Count the records that a fetch of this partition alone returned. After no records, its search ends."""
        if claim in self._records_left:
            self._failures = 0
            self._records_left[claim] -= records
            if not records or self._records_left[claim] <= 0:
                del self._records_left[claim]
                after_s = round(time.monotonic() - self._started_at, 2)
                text = "All records of the search can be read"
                _log.info(text, action="readable", partition=claim.partition, after_s=after_s)

    def on_failure(self) -> bool:
        """Count a failed fetch of the partition alone. Returns whether its next record counts as unreadable."""
        self._failures += 1
        return self._failures >= _TRIES
