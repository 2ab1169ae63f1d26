"""Finding the record that cannot be read, after a fetch failed over one."""

from collections.abc import Collection
from typing import Final

from consumer.model.claims import Claim

# So many times a record may fail to be read, asked for alone: a byte that fell over on the way is sent again.
_TRIES: Final = 3
# So many records of a partition are read one by one, at most, before it is trusted again.
_RECORDS: Final = 10_000


class PoisonSearch:
    """The partitions of a failed fetch, asked alone and record by record until it is clear which record it was.

    Alone, because a fetch that fails loses what it had read of other partitions; record by record, because then all
    that stands before the one that cannot be read is stored.
    """

    def __init__(self) -> None:
        self._left: dict[Claim, int] = {}
        self._failures = 0

    def next(self, ready: Collection[Claim]) -> Claim | None:
        """The partition to ask alone, if one is to be."""
        self._left = {claim: records for claim, records in self._left.items() if claim in ready}
        return next(iter(self._left), None)

    def accuse(self, claims: Collection[Claim]) -> None:
        """A fetch of these has failed."""
        self._left = dict.fromkeys(claims, _RECORDS)
        self._failures = 0

    def failed(self) -> bool:
        """The next record of the one asked alone failed; says whether it has often enough."""
        self._failures += 1
        return self._failures >= _TRIES

    def read(self, claim: Claim, records: int) -> None:
        """So many records were read; a partition that has no more of them is cleared."""
        if claim in self._left:
            self._failures = 0
            self._left[claim] -= records
            if not records or self._left[claim] <= 0:
                del self._left[claim]
