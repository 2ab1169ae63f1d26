"""The stored offsets say exactly how far the tables are: S7."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.checker.case import Case, at, differences
from tests.checker.log import Record
from tests.checker.violations import Rule, Violation


def watermark(case: Case) -> Iterator[Violation]:
    last: dict[int, Record] = {}
    for record in case.passed:
        known = last.setdefault(record.place.partition, record)
        last[record.place.partition] = max(known, record, key=lambda record: record.place)
    repeats = Counter(place.partition for place in case.expected.repeats)
    for partition in case.offsets:
        for difference in _of_partition(case, partition, last.get(partition), repeats[partition]):
            yield Violation(Rule.WATERMARK, f"partition {partition}", difference)
    for place in sorted({*case.events, *case.letters}):
        # A place outside the log is an invention, and said to be one.
        if place in case.log.places and not case.is_passed(place):
            yield at(Rule.WATERMARK, place, "has a row, but the stored offset has not passed it")


def _of_partition(case: Case, partition: int, last: Record | None, repeats: int) -> Iterator[str]:
    row, extent = case.offsets[partition], case.log.extents[partition]
    yield from differences(
        ("first_offset", row.first_offset, extent.begin),
        ("last_offset", row.last_offset, last.place.offset if last else None),
        ("last_timestamp", row.last_timestamp, last.timestamp if last else None),
        ("repeats", row.repeats, repeats),
    )
    # Between the last record and the end there may be markers of transactions: both positions are right.
    reached = last.place.offset + 1 if last else extent.begin
    if not reached <= row.next_offset <= extent.end:
        yield f"next_offset is {row.next_offset}, which is not from {reached} to {extent.end}"
