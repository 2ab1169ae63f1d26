"""All rules over a log and the tables. Pure: both come in as values.

One function a rule, and each looks at one thing only, so that a wrong row is reported under its own rule instead of
setting off all of them. The sum that the tables promise, next_offset - first_offset = events + dead letters + repeats
on a log without gaps, needs no rule: it follows from S1, S2, S3 and the count of repeats in S7.
"""

from __future__ import annotations

from tests.checker.classify import MAX_EVENT_BYTES
from tests.checker.fidelity import fidelity
from tests.checker.log import Log
from tests.checker.model import Model
from tests.checker.placement import completeness, invention, judgement, purity, unconsumed, uniqueness
from tests.checker.runs import gap_free, one_partition, order, projection, references
from tests.checker.step import Case, settled
from tests.checker.tables import Tables
from tests.checker.violations import Violation
from tests.checker.watermark import atomicity, monotonic, single_writer, watermark

RULES = (
    *(completeness, invention, uniqueness, purity, judgement, fidelity),
    *(gap_free, order, projection, references),
    *(watermark, monotonic, single_writer, atomicity),
)


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
    case = Case(log, tables, model, model.advance(passed, settled(tables)))
    found = broken(case)
    return [*found, *unconsumed(case)] if finished and not model.split else found


def broken(case: Case) -> list[Violation]:
    """What is wrong in a step."""
    split = list(one_partition(case))
    if split:
        return split  # the rest would have to guess in which order the partitions were read
    return [violation for rule in RULES for violation in rule(case)]
