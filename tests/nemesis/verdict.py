"""The sum at the end of a round: every record in its place, and every speaker's account of it right."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.checker import read_log, read_tables
from tests.checker.comparison import compare
from tests.checker.log import Log
from tests.checker.tables import Tables
from tests.nemesis.agent import PREFIX
from tests.nemesis.faults.operators import SMALL_BYTES
from tests.support.ledgers import emitted as emitting
from tests.support.ledgers.produced import Ledger


@dataclass(frozen=True)
class Evidence:
    """Where to look: the servers past their proxies, and what the speakers have written down."""

    bootstrap_servers: str
    topic: str
    database: str
    producers: Sequence[Path]
    agents: Sequence[Path]
    counts: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Verdict:
    figures: dict[str, int]
    violations: list[str]


def judge(evidence: Evidence) -> Verdict:
    """In a process of its own: it computes for a while, and the proxies must carry on meanwhile."""
    tables = asyncio.run(read_tables(evidence.database))
    log = read_log(evidence.bootstrap_servers, evidence.topic)
    violations = list(map(str, compare(log, tables, max_event_bytes=SMALL_BYTES)))
    violations += _of_producers(evidence.producers, log)
    violations += _of_agents(evidence, tables)
    figures = {
        "records": len(log.records),
        "stored": len(tables.events),
        "letters": len(tables.dead_letters),
        "repeats": sum(row.repeats for row in tables.offsets),
        "runs": len(tables.runs),
    }
    return Verdict(figures, violations)


def _of_producers(files: Sequence[Path], log: Log) -> list[str]:
    ledger = Ledger()
    for file in files:
        with file.open() as lines:
            ledger.read(lines)
    return ledger.differences(log, others=PREFIX)


def _of_agents(evidence: Evidence, tables: Tables) -> list[str]:
    ledger = emitting.Ledger()
    for file in evidence.agents:
        with file.open() as lines:
            ledger.said.update(emitting.Ledger.read(lines).said)
    theirs = Tables(
        [run for run in tables.runs if run.id.startswith(PREFIX)],
        [event for event in tables.events if event.run_id.startswith(PREFIX)],
        [],
        [letter for letter in tables.dead_letters if (letter.key or b"").startswith(PREFIX.encode())],
    )
    found, counts = emitting.in_tables(theirs), _sum(evidence.counts)
    stored = sum(not arrival.admits for arrivals in found.runs.values() for arrival in arrivals)
    expected = {
        "said": (ledger.size, counts["emitted"]),
        "stored": (stored, counts["sent"]),
        "missing, as the runs say": (found.admitted, counts["dropped"]),
        "missing, as agent_runs says": (sum(run.dropped_events for run in theirs.runs), counts["dropped"]),
        "recorded": (counts["recorded"], counts["dropped"]),
        "left": (counts["left"], 0),
        "dead letters": (len(theirs.dead_letters), 0),
    }
    problems = [f"agents: {difference}" for difference in ledger.differences(found)]
    problems += [
        f"agents: {what} is {found}, it should be {right}"
        for what, (found, right) in expected.items()
        if found != right
    ]
    if any(count["balances"] not in ([], [0]) for count in evidence.counts):
        problems.append("agents: emitted was not sent + pending + dropped at every moment")
    return problems


def _sum(counts: Sequence[dict[str, Any]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update({name: count[name] for name in ("emitted", "sent", "recorded", "left")})
        total["dropped"] += sum(count["dropped"].values())
    return total
