"""Compares the events that agents emitted with the log or the tables.

Each run must have its events in order and once. Events that are missing must be counted by markers (`events_dropped`)
at the place where they are missing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.checker.log import Log
from tests.checker.tables import Tables

SHOWN = 10


class Arrival(NamedTuple):
    """An event of a run; of a marker, `dropped_count` is the number of events missing in its place, otherwise 0."""

    id: str
    dropped_count: int


@dataclass(frozen=True)
class Arrivals:
    """The events of each run in the log or in the tables, and the number of records whose event came before."""

    runs: Mapping[str, Sequence[Arrival]]
    repeats: int = 0

    @property
    def dropped_count(self) -> int:
        """How many events all markers count as missing."""
        return sum(arrival.dropped_count for arrivals in self.runs.values() for arrival in arrivals)


def in_log(log: Log) -> Arrivals:
    """The events in a log, without repeats: the consumer ignores these as well."""
    runs: dict[str, dict[str, Arrival]] = defaultdict(dict)
    repeats = 0
    for record in log.records:
        run = runs[(record.key or b"").decode()]
        arrival = _arrival(json.loads(record.value or b"null"))
        repeats += arrival.id in run
        run.setdefault(arrival.id, arrival)
    return Arrivals({run_id: list(run.values()) for run_id, run in runs.items()}, repeats)


def in_tables(tables: Tables) -> Arrivals:
    """The events in `run_events`, ordered by `event_seq`."""
    runs: dict[str, list[Arrival]] = defaultdict(list)
    for row in sorted(tables.events, key=lambda row: (row.run_id, row.event_seq)):
        runs[row.run_id].append(_arrival(json.loads(row.event_data)))
    return Arrivals(runs, sum(row.repeats for row in tables.offsets))


def _arrival(event: dict[str, object]) -> Arrival:
    dropped_count = event["count"] if event["type"] == "events_dropped" else 0
    assert isinstance(dropped_count, int)
    return Arrival(str(event["id"]), dropped_count)


@dataclass
class Ledger:
    """The ids of the events that each run emitted, in order."""

    emitted: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def read(cls, lines: Iterable[str]) -> Ledger:
        """Read the lines `emitted RUN_ID EVENT_ID` of an agent's output; other lines are ignored."""
        ledger = cls()
        for line in lines:
            if line.startswith("emitted "):
                _, run_id, event_id = line.split()
                ledger.emitted[run_id].append(event_id)
        return ledger

    @property
    def size(self) -> int:
        return sum(map(len, self.emitted.values()))

    def differences(self, arrivals: Arrivals) -> list[str]:
        """One line for each run whose arrivals are not what it emitted."""
        return [
            f"{run_id}: expected {_short(expected)}, found {_short(found)}"
            for run_id in sorted({*self.emitted, *arrivals.runs})
            if (expected := _expected(self.emitted.get(run_id, []), arrivals.runs.get(run_id, [])))
            != (found := _join_gaps([one.dropped_count or one.id for one in arrivals.runs.get(run_id, [])]))
        ]


def _expected(emitted: Sequence[str], arrivals: Sequence[Arrival]) -> list[str | int]:
    """The ids of a run's events, with numbers in place of those that did not arrive."""
    arrived = {arrival.id for arrival in arrivals if not arrival.dropped_count}
    return _join_gaps([event_id if event_id in arrived else 1 for event_id in emitted])


def _join_gaps(items: Iterable[str | int]) -> list[str | int]:
    """Add up neighbouring numbers."""
    joined: list[str | int] = []
    for item in items:
        if isinstance(item, int) and joined and isinstance(joined[-1], int):
            joined[-1] += item
        else:
            joined.append(item)
    return joined


def _short(items: Sequence[str | int]) -> str:
    return f"{items}" if len(items) <= 2 * SHOWN else f"{items[:SHOWN]} … {items[-SHOWN:]} ({len(items)})"
