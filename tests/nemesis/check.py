"""The checks at the end of a round: the checker's rules, the ledgers of the publishers, replay and determinism."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import asyncpg

from tests.checker import read_log, read_tables
from tests.checker.comparison import compare
from tests.checker.log import Log
from tests.checker.tables import Tables
from tests.nemesis.agent import PREFIX
from tests.nemesis.environment import Endpoints, Environment
from tests.nemesis.faults.operators import SMALL_BYTES
from tests.nemesis.fleet import FLEET_SETTINGS
from tests.support.ledgers import emitted
from tests.support.ledgers.produced import Ledger
from tests.support.snapshots import RUN_DATA, row_versions, snapshot

# Moves each partition to an earlier offset. Repeats that were counted since are counted again.
REWIND = """
    UPDATE consumer_offsets
       SET next_offset = first_offset + floor((next_offset - first_offset) * $1 / (partition + 1))::bigint,
           last_offset = NULL, last_timestamp = NULL
"""

DECIDES_WHAT_IS_STORED = (
    "AGENT_RUNS_MAX_EVENT_BYTES",
    "AGENT_RUNS_MAX_DECOMPRESSED_BYTES",
    "AGENT_RUNS_BREAKER_SHARE",
)
SETTINGS = {name: FLEET_SETTINGS[name] for name in DECIDES_WHAT_IS_STORED}


@dataclass(frozen=True)
class Sources:
    """What is checked: the servers, without proxies, and the publishers' ledgers.

    Attributes:
        counts: the emitters' counts, of each agent that has ended.
    """

    bootstrap_servers: str
    topic: str
    database: str
    producers: Sequence[Path]
    agents: Sequence[Path]
    counts: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class CheckResult:
    figures: dict[str, int]
    violations: list[str]


def check_round(sources: Sources) -> CheckResult:
    """Check log, tables and ledgers. Runs in a process of its own: the proxies need this process's event loop."""
    tables = asyncio.run(read_tables(sources.database))
    log = read_log(sources.bootstrap_servers, sources.topic)
    violations = list(map(str, compare(log, tables, max_event_bytes=SMALL_BYTES)))
    violations += _check_producers(sources.producers, log)
    violations += _check_agents(sources, tables)
    figures = {
        "records": len(log.records),
        "stored": len(tables.events),
        "dead letters": len(tables.dead_letters),
        "repeats": sum(row.repeats for row in tables.offsets),
        "runs": len(tables.runs),
    }
    return CheckResult(figures, violations)


def _check_producers(files: Sequence[Path], log: Log) -> list[str]:
    ledger = Ledger()
    for file in files:
        with file.open() as lines:
            ledger.read(lines)
    return ledger.differences(log, others=PREFIX)


def _check_agents(sources: Sources, tables: Tables) -> list[str]:
    ledger = emitted.Ledger()
    for file in sources.agents:
        with file.open() as lines:
            ledger.emitted.update(emitted.Ledger.read(lines).emitted)
    of_agents = Tables(
        [run for run in tables.runs if run.id.startswith(PREFIX)],
        [event for event in tables.events if event.run_id.startswith(PREFIX)],
        [],
        [letter for letter in tables.dead_letters if (letter.key or b"").startswith(PREFIX.encode())],
    )
    found, counts = emitted.in_tables(of_agents), _sum(sources.counts)
    stored = sum(not arrival.dropped_count for arrivals in found.runs.values() for arrival in arrivals)
    expected = {
        "number of emitted events": (ledger.size, counts["emitted"]),
        "number of stored events": (stored, counts["sent"]),
        "sum of events_dropped": (found.dropped_count, counts["dropped"]),
        "sum of agent_runs.dropped_events": (sum(run.dropped_events for run in of_agents.runs), counts["dropped"]),
        "number of recorded drops": (counts["recorded"], counts["dropped"]),
        "number of events left after close": (counts["left"], 0),
        "number of dead letters": (len(of_agents.dead_letters), 0),
    }
    problems = [f"agents: {difference}" for difference in ledger.differences(found)]
    problems += [
        f"agents: {what} is {found}, it should be {right}"
        for what, (found, right) in expected.items()
        if found != right
    ]
    if any(count["balances"] not in ([], [0]) for count in sources.counts):
        problems.append("agents: emitted was not always equal to sent + pending + dropped")
    return problems


def _sum(counts: Sequence[dict[str, Any]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update({name: count[name] for name in ("emitted", "sent", "recorded", "left")})
        total["dropped"] += sum(count["dropped"].values())
    return total


async def check_replay(endpoints: Endpoints, rng: Random) -> list[str]:
    """S13: move the offsets back and consume the records again. No row of a run may be rewritten."""
    scene = endpoints.direct
    before = await row_versions(scene.database)
    connection = await asyncpg.connect(scene.database)
    await connection.execute(REWIND, rng.random())
    await connection.close()
    ended = await scene.command("run", "--until-end", **SETTINGS)
    if ended.exit_code:
        return [f"S13 replay: the consumer ended with exit code {ended.exit_code}: {ended.output[-1_000:]}"]
    after = await row_versions(scene.database)
    return [f"S13 replay: rows of {table} were rewritten" for table in RUN_DATA if before[table] != after[table]]


async def check_second_database(env: Environment, endpoints: Endpoints) -> list[str]:
    """S15: consume the log into a second, empty database. It must get the same rows."""
    scene, name = endpoints.direct, await env.template.clone()
    other = env.template.url_of(name)
    ended = await replace(scene, database=other).command("run", "--until-end", **SETTINGS)
    if ended.exit_code:
        return [f"S15 determinism: the consumer ended with exit code {ended.exit_code}: {ended.output[-1_000:]}"]
    one, two = await snapshot(scene.database), await snapshot(other)
    await env.template.drop(name)
    return [f"S15 determinism: {table} differs" for table in RUN_DATA if one[table] != two[table]]
