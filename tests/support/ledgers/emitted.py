"""What was said beside what has arrived: in order, once, and every gap marked where it is and as large as it is."""

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
    """An event of a run. `admits`: so many are missing here."""

    id: str
    admits: int


@dataclass(frozen=True)
class Found:
    """The runs of a topic, or of the tables. `repeats`: records whose event stood there before."""

    runs: Mapping[str, Sequence[Arrival]]
    repeats: int = 0

    @property
    def admitted(self) -> int:
        """How many events all runs say are missing."""
        return sum(arrival.admits for arrivals in self.runs.values() for arrival in arrivals)


def in_log(log: Log) -> Found:
    """Repeats are left out: the service does the same."""
    runs: dict[str, dict[str, Arrival]] = defaultdict(dict)
    repeats = 0
    for record in log.records:
        run = runs[(record.key or b"").decode()]
        arrival = _arrival(json.loads(record.value or b"null"))
        repeats += arrival.id in run
        run.setdefault(arrival.id, arrival)
    return Found({run_id: list(run.values()) for run_id, run in runs.items()}, repeats)


def in_tables(tables: Tables) -> Found:
    runs: dict[str, list[Arrival]] = defaultdict(list)
    for row in sorted(tables.events, key=lambda row: (row.run_id, row.event_seq)):
        runs[row.run_id].append(_arrival(json.loads(row.event_data)))
    return Found(runs, sum(row.repeats for row in tables.offsets))


def _arrival(event: dict[str, object]) -> Arrival:
    admits = event["count"] if event["type"] == "events_dropped" else 0
    assert isinstance(admits, int)
    return Arrival(str(event["id"]), admits)


@dataclass
class Ledger:
    """The ids of the events of each run, in the order in which they were said."""

    said: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def read(cls, lines: Iterable[str]) -> Ledger:
        """From what a program has printed."""
        ledger = cls()
        for line in lines:
            if line.startswith("said "):
                _, run_id, event_id = line.split()
                ledger.said[run_id].append(event_id)
        return ledger

    @property
    def size(self) -> int:
        return sum(map(len, self.said.values()))

    def differences(self, found: Found) -> list[str]:
        """A line for each run that is not as it was said to be."""
        return [
            f"{run_id}: said {_short(said)}, found {_short(arrived)}"
            for run_id in sorted({*self.said, *found.runs})
            if (said := _expected(self.said.get(run_id, []), found.runs.get(run_id, [])))
            != (arrived := _joined([one.admits or one.id for one in found.runs.get(run_id, [])]))
        ]


def _expected(said: Sequence[str], arrivals: Sequence[Arrival]) -> list[str | int]:
    present = {arrival.id for arrival in arrivals if not arrival.admits}
    return _joined([event_id if event_id in present else 1 for event_id in said])


def _joined(items: Iterable[str | int]) -> list[str | int]:
    """Neighbouring gaps are one."""
    joined: list[str | int] = []
    for item in items:
        if isinstance(item, int) and joined and isinstance(joined[-1], int):
            joined[-1] += item
        else:
            joined.append(item)
    return joined


def _short(items: Sequence[str | int]) -> str:
    return f"{items}" if len(items) <= 2 * SHOWN else f"{items[:SHOWN]} … {items[-SHOWN:]} ({len(items)})"
