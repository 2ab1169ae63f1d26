"""What is known about a partition, and the commands for one that makes no progress."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import tostring

import pytest

from agent_runs.kafka.topic_ends import Lag
from agent_runs.reader import PartitionStatus
from viewer.operations import OperationsDocument, partition_document
from viewer.operations_page import partitions_section


def stored(next_offset: int, idle_s: float = 0) -> PartitionStatus:
    at = datetime.now(UTC) - timedelta(seconds=idle_s)
    return PartitionStatus(topic="t", partition=3, next_offset=next_offset, last_record_at=at, stored_at=at)


def waiting(records: int, age_s: float | None, end: int, start: int = 0) -> Lag:
    oldest = None if age_s is None else datetime.now(UTC) - timedelta(seconds=age_s)
    return Lag(records=records, oldest_at=oldest, log_start=start, log_end=end)


# Functions, since a long test run would make the times old that are computed when it begins.
@pytest.mark.parametrize(
    ("known", "state"),
    [
        (lambda: (stored(5, idle_s=900), waiting(0, None, 5)), "ok"),
        (lambda: (stored(5), waiting(2, 900, 7)), "behind"),
        (lambda: (stored(5, idle_s=900), waiting(2, 3, 7)), "behind"),  # the records have just come
        (lambda: (stored(5, idle_s=900), waiting(2, 900, 7)), "stalled"),
        (lambda: (stored(5, idle_s=900), waiting(2, None, 7)), "stalled"),
        (lambda: (None, waiting(2, 900, 7)), "stalled"),
        (lambda: (None, waiting(2, 3, 7)), "behind"),
        (lambda: (stored(5), waiting(2, 3, 12, start=10)), "lost"),
        (lambda: (stored(5), waiting(0, None, 4)), "lost"),  # the topic was created again
        (lambda: (stored(5), None), "unknown"),
    ],
)
def test_the_state_of_a_partition(known: Callable[[], tuple[PartitionStatus | None, Lag | None]], state: str) -> None:
    assert partition_document(("t", 3), *known()).state == state


def test_a_partition_without_progress_is_shown_with_the_commands() -> None:
    partition = partition_document(("t", 3), stored(5, idle_s=900), waiting(2, 900, 7))
    section = partitions_section(OperationsDocument(partitions=[partition], lag_problem=None, dead_letters={}))
    page = tostring(section, encoding="unicode")

    assert "agent-runs-consumer offsets show" in page
    assert "agent-runs-consumer offsets skip --partition 3 --offset 5 --by NAME --because WHY" in page
