"""Helpers of the checker's tests."""

from __future__ import annotations

from collections.abc import Iterable

from tests.checker import Rule, Violation
from tests.checker.classify import MAX_EVENT_BYTES
from tests.checker.incremental import IncrementalChecker, LogBuffer
from tests.checker.log import Log
from tests.checker.tables import Tables


def incremental_violations(log: Log, *snapshots: Tables, max_event_bytes: int = MAX_EVENT_BYTES) -> list[Violation]:
    """The violations found in successive snapshots; the log was read before them."""
    buffer = LogBuffer(log.topic, {partition: extent.start for partition, extent in log.extents.items()})
    for each in log.records:
        buffer.add(each)
    for partition, extent in log.extents.items():
        buffer.reached(partition, extent.end)
    checker = IncrementalChecker(buffer, max_event_bytes)
    return [violation for tables in snapshots for violation in checker.check(tables)]


def rules(violations: Iterable[Violation]) -> set[Rule]:
    return {violation.rule for violation in violations}
