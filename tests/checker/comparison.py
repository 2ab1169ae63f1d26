"""Applies all rules to a log and a snapshot of the tables (`compare`), and compares two snapshots of one log (`replay`
for S13, `determinism` for S15). Pure: log and tables are passed in as values.

Each rule is one function that checks one property. A wrong row is therefore reported under its own rule only.

The identity that the tables promise on a log without gaps, next_offset - first_offset = events + dead letters +
repeats, has no rule of its own: it follows from S1, S2, S3 and the count of repeats in S7.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.checker.classify import MAX_EVENT_BYTES
from tests.checker.log import Log
from tests.checker.model import Model
from tests.checker.offset_rules import atomicity, monotonic, single_writer, watermark
from tests.checker.record_rules import completeness, fidelity, invention, purity, unconsumed, uniqueness, validity
from tests.checker.run_rules import gap_free, one_partition, order, projection, references
from tests.checker.step import Step, resolved_letters, shortened, skipped_places
from tests.checker.tables import Tables
from tests.checker.violations import Rule, Violation

RULES = (
    *(completeness, invention, uniqueness, purity, validity, fidelity),
    *(gap_free, order, projection, references),
    *(watermark, monotonic, single_writer, atomicity),
)

TABLES = ("runs", "events", "offsets", "dead_letters")  # without the columns that differ: clocks, ids of dead letters


def compare(
    log: Log, tables: Tables, *, finished: bool = True, max_event_bytes: int = MAX_EVENT_BYTES
) -> list[Violation]:
    """All violations of S1 to S12, S14, J1 and P1.

    Args:
        log: read after the snapshot of the tables.
        tables: one snapshot.
        finished: whether the whole log must have been consumed. Otherwise only records below the stored offsets are
            checked, which must hold at every moment.
        max_event_bytes: the service's limit of an event's size.
    """
    ends = {row.partition: row.next_offset for row in tables.offsets}
    passed = [record for record in log.records if record.place.offset < ends.get(record.place.partition, 0)]
    model = Model(max_event_bytes)
    step = Step(log, tables, model, model.advance(passed, resolved_letters(tables), skipped_places(tables)))
    found = violations(step)
    return [*found, *unconsumed(step)] if finished and not model.split_runs else found


def violations(step: Step) -> list[Violation]:
    """All violations in a step; only those of P1, if there are any."""
    split = list(one_partition(step))
    if split:
        return split  # the order of events in different partitions is undefined, so no other rule can be checked
    return [violation for rule in RULES for violation in rule(step)]


def replay(before: Tables, after: Tables, again: Mapping[int, int]) -> list[Violation]:
    """S13: the differences after some records were consumed again, apart from their count as repeats.

    Args:
        before: the tables after the log was consumed to its end.
        after: the tables after records were consumed again, to the end.
        again: by partition, the number of records that were consumed again.
    """
    offsets = [replace(row, repeats=row.repeats + again.get(row.partition, 0)) for row in before.offsets]
    return list(_differences(Rule.REPLAY, replace(before, offsets=offsets), after))


def determinism(one: Tables, other: Tables) -> list[Violation]:
    """S15: the differences between two databases into which the same log was consumed."""
    return list(_differences(Rule.DETERMINISM, one, other))


def _differences(rule: Rule, expected: Tables, found: Tables) -> Iterator[Violation]:
    for name in TABLES:
        before, after = _rows(getattr(expected, name)), _rows(getattr(found, name))
        yield from (Violation(rule, name, f"missing row: {shortened(row)}") for row in (before - after).elements())
        yield from (Violation(rule, name, f"unexpected row: {shortened(row)}") for row in (after - before).elements())


def _rows(rows: Sequence[Any]) -> Counter[Any]:
    """The rows as a multiset: their order does not matter."""
    return Counter(rows)
