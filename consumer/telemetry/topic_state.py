"""What the last reading of the whole topic says about each partition, refined by the claims of this process."""

import time
from collections.abc import Iterable, Sequence

from consumer.model.claims import Claim, ClaimState
from consumer.model.topic_status import OpenTransaction, TopicStatus, WatchedPartition


class TopicState:
    """The last status of the topic. Each method takes the claims of this process, whose offsets are newer.

    Attributes:
        status: the last status that could be read; None before the first.
    """

    def __init__(self) -> None:
        self.status: TopicStatus | None = None
        self._failed = False  # the last reading
        self._unowned_before: frozenset[int] = frozenset()  # at the reading before the last

    def update(self, status: TopicStatus | None, claims: Sequence[Claim]) -> None:
        """Record the status of the topic; None if it could not be read."""
        self._failed = status is None
        if status is not None:
            self._unowned_before = frozenset(self.unowned(claims))
            self.status = status

    @property
    def _partitions(self) -> Sequence[WatchedPartition]:
        return self.status.partitions if self.status else ()

    def lags(self, claims: Sequence[Claim]) -> dict[int, int]:
        """How many records of each partition are not stored; those of open transactions and behind them count."""
        lags = {each.partition: each.lag for each in self._partitions}
        end_offsets = {each.partition: each.end_offset for each in self._partitions}
        for claim in _ready(claims):
            lags[claim.partition] = max(claim.lag, end_offsets.get(claim.partition, 0) - claim.next_offset)
        return lags

    def lag_seconds(self, claims: Sequence[Claim]) -> dict[int, float]:
        """The age of each partition's oldest record that is not stored; 0 if there is none.

        It is the age at the last reading. While the topic cannot be read, it grows. Partitions whose age is not known
        are left out.
        """
        if self.status is None:
            return {}
        now_ms = time.time() * 1000 if self._failed else self.status.read_ms
        lags = self.lags(claims)
        ages: dict[int, float] = {}
        for each in self._partitions:
            if not each.lag or not lags[each.partition]:
                ages[each.partition] = 0.0
            elif each.oldest_ms is not None:
                ages[each.partition] = max(0.0, (now_ms - each.oldest_ms) / 1000)
        return ages

    def unowned(self, claims: Sequence[Claim]) -> list[int]:
        """The partitions that no member of the group owned at the last reading; none if that is not known."""
        if self.status is None or not self.status.owners_known:
            return []
        own = {claim.partition for claim in claims}
        return [each.partition for each in self._partitions if each.owner is None and each.partition not in own]

    def long_unowned(self, claims: Sequence[Claim]) -> list[int]:
        """The partitions without an owner at the last two readings: one of them may have been during a rebalance."""
        return [partition for partition in self.unowned(claims) if partition in self._unowned_before]

    def open_transactions(self, claims: Sequence[Claim]) -> dict[int, tuple[OpenTransaction, float]]:
        """The open transactions that block records, by partition, each with its age in seconds."""
        passed = {claim.partition: claim.next_offset for claim in _ready(claims)}
        now_ms = time.time() * 1000
        return {
            each.partition: (each.transaction, max(0.0, (now_ms - each.transaction.begun_ms) / 1000))
            for each in self._partitions
            if each.transaction is not None
            and each.transaction.begun_ms is not None
            and passed.get(each.partition, 0) <= each.transaction.start_offset
        }


def _ready(claims: Iterable[Claim]) -> list[Claim]:
    return [claim for claim in claims if claim.state is ClaimState.READY]
