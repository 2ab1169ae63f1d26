"""The tables beside other tables of the same log: S13 and S15. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.checker.step import shown
from tests.checker.tables import Tables
from tests.checker.violations import Rule, Violation

TABLES = ("runs", "events", "offsets", "letters")  # clocks and the ids of letters are not among their columns


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
        yield from (Violation(rule, name, f"{shown(row)} is missing") for row in (should - there).elements())
        yield from (Violation(rule, name, f"{shown(row)} is there instead") for row in (there - should).elements())


def _rows(rows: Sequence[Any]) -> Counter[Any]:
    """Rows in no particular order."""
    return Counter(rows)
