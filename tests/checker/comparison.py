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
from tests.checker.step import Step, resolved_letters, shortened
from tests.checker.tables import Tables
from tests.checker.violations import Rule, Violation

RULES = (
    *(completeness, invention, uniqueness, purity, validity, fidelity),
    *(gap_free, order, projection, references),
    *(watermark, monotonic, single_writer, atomicity),
)

TABLES = ("runs", "events", "offsets", "dead_letters")  # clocks and the ids of dead_letters are not among their columns


def compare(
    log: Log, tables: Tables, *, finished: bool = True, max_event_bytes: int = MAX_EVENT_BYTES
) -> list[Violation]:
    """All broken rules, none when all is well.

    The tables are one snapshot, and the log was read after it. With `finished` the whole log must have been consumed;
    without, only what lies below the stored offsets is judged: that holds at every moment, not just at the end.
    """
    ends = {row.partition: row.next_offset for row in tables.offsets}
    passed = [record for record in log.records if record.place.offset < ends.get(record.place.partition, 0)]
    model = Model(max_event_bytes)
    step = Step(log, tables, model, model.advance(passed, resolved_letters(tables)))
    found = broken(step)
    return [*found, *unconsumed(step)] if finished and not model.split else found


def broken(step: Step) -> list[Violation]:
    """What is wrong in a step."""
    split = list(one_partition(step))
    if split:
        return split  # the rest would have to guess in which order the partitions were read
    return [violation for rule in RULES for violation in rule(step)]


def replay(before: Tables, after: Tables, again: Mapping[int, int]) -> list[Violation]:
    """What consuming some records again has changed; nothing but their count as repeats should have.

    Args:
        before: the tables when the log had been consumed to its end.
        after: the same, when it has been once more.
        again: how many records of each partition were consumed again.
    """
    offsets = [replace(row, repeats=row.repeats + again.get(row.partition, 0)) for row in before.offsets]
    return list(_differences(Rule.REPLAY, replace(before, offsets=offsets), after))


def determinism(one: Tables, other: Tables) -> list[Violation]:
    """In what two databases differ that hold the same log."""
    return list(_differences(Rule.DETERMINISM, one, other))


def _differences(rule: Rule, expected: Tables, found: Tables) -> Iterator[Violation]:
    for name in TABLES:
        should, there = _rows(getattr(expected, name)), _rows(getattr(found, name))
        yield from (Violation(rule, name, f"{shortened(row)} is missing") for row in (should - there).elements())
        yield from (Violation(rule, name, f"{shortened(row)} is there instead") for row in (there - should).elements())


def _rows(rows: Sequence[Any]) -> Counter[Any]:
    """Rows in no particular order."""
    return Counter(rows)
