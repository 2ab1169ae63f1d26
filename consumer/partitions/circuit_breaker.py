"""The circuit breaker: halts a partition when too many of its last records were rejected.

Without it, a faulty producer would fill the table of dead letters. A halted partition is checked again every
`watch_interval_s`. The check counts open dead letters only: the partition continues when an operator has retried or
discarded enough of them.
"""

from collections import Counter, deque
from collections.abc import Iterable

from consumer.model.records import Rejection
from consumer.postgres.store import Offsets, Store
from consumer.settings import IngestConfig


class CircuitBreaker:
    """Counts the recent rejections of one partition while it is consumed.

    `tripped_partitions` counts in the table, only when a partition starts or is halted. After each batch, its query
    would cost a round trip, and could fail although the batch is already committed.
    """

    def __init__(self, partition: int, config: IngestConfig) -> None:
        self._partition = partition
        self._config = config
        self._recent: deque[tuple[int, str]] = deque()  # offset and reason

    def count(self, rejections: Iterable[Rejection], next_offset: int) -> str | None:
        """Count the new dead letters of a batch. Returns why the partition must halt; None if it need not.

        Args:
            rejections: those of other partitions are ignored.
            next_offset: the end of this partition's slice of the batch.
        """
        own = (rejection for rejection in rejections if rejection.record.partition == self._partition)
        self._recent.extend((rejection.record.offset, rejection.reason) for rejection in own)
        while self._recent and self._recent[0][0] < next_offset - self._config.breaker_records:
            self._recent.popleft()
        return trip_reason((reason for _, reason in self._recent), self._config)


def trip_reason(reasons: Iterable[str], config: IngestConfig) -> str | None:
    """Return why a partition must halt, given the reasons of its recent rejections; None if it need not."""
    counts = Counter(reasons)
    if counts.total() <= config.breaker_records * config.breaker_share:
        return None
    listed = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return (
        f"{counts.total()} of the last {config.breaker_records} records were rejected ({listed}): fix what "
        "publishes them, then retry or discard their dead letters (agent-runs-consumer dead-letters)"
    )


async def tripped_partitions(store: Store, config: IngestConfig, stored: Iterable[Offsets]) -> dict[int, str]:
    """Return the partitions that must halt because of their open dead letters, each with the reason.

    Raises:
        StoreError: the query failed.
    """
    ends = {offsets.partition: offsets.next_offset for offsets in stored}
    starts = [end - config.breaker_records for end in ends.values()]
    rows = await store.fetch("open_letters", store.topic, list(ends), starts, list(ends.values()))
    reasons: dict[int, list[str]] = {partition: [] for partition in ends}
    for row in rows:
        reasons[row["partition"]].append(row["reason"])
    found = {partition: trip_reason(each, config) for partition, each in reasons.items()}
    return {partition: problem for partition, problem in found.items() if problem is not None}
