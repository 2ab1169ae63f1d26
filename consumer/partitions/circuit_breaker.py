"""The breaker: a partition whose records are mostly refused halts, instead of filling the table of dead letters.

What counts are letters that still wait, among the last records of the partition: so an operator who has dealt with them
lets it go on, and a process that starts anew finds what the last one knew.
"""

from collections import Counter
from collections.abc import Iterable

from consumer.config import IngestConfig
from consumer.postgres.store import Offsets, Store


def trip_reason(refused: Iterable[str], config: IngestConfig) -> str | None:
    """Why a partition should halt, of whose last records these were refused; None if it shouldn't."""
    counts = Counter(refused)
    if counts.total() <= config.breaker_records * config.breaker_share:
        return None
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return (
        f"{counts.total()} of the last {config.breaker_records} records were refused ({reasons}): see to what "
        "publishes them, then retry or discard the letters (python -m consumer dead-letters)"
    )


async def tripped_partitions(store: Store, config: IngestConfig, stored: Iterable[Offsets]) -> dict[int, str]:
    """The partitions that should halt, and why."""
    ends = {offsets.partition: offsets.next_offset for offsets in stored}
    begins = [end - config.breaker_records for end in ends.values()]
    rows = await store.fetch("open_letters", store.topic, list(ends), begins, list(ends.values()))
    refused: dict[int, list[str]] = {partition: [] for partition in ends}
    for row in rows:
        refused[row["partition"]].append(row["reason"])
    found = {partition: trip_reason(reasons, config) for partition, reasons in refused.items()}
    return {partition: problem for partition, problem in found.items() if problem is not None}
