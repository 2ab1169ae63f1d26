"""The sum at the end: every event that was said is stored, once and in order, or its run says that it is missing."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.chaos.agents import Agents
from tests.chaos.world import World
from tests.checker import check
from tests.emitting.ledger import in_tables


async def judge(world: World, agents: Agents) -> tuple[dict[str, Any], list[str]]:
    """The figures, and what is wrong; nothing, one hopes."""
    scene = world.scene
    tables = await scene.tables()
    ledger, found = agents.ledger(), in_tables(tables)
    counts = _sum(agents.counts)
    stored = sum(not arrival.admits for arrivals in found.runs.values() for arrival in arrivals)
    problems = ledger.differences(found)
    problems += map(str, await check(scene.servers.bootstrap_servers, scene.topic, scene.database))
    expected = {
        "said": (ledger.size, counts["emitted"]),
        "stored": (stored, counts["sent"]),
        "missing, as the runs say": (found.admitted, counts["dropped"]),
        "missing, as agent_runs says": (sum(run.dropped_events for run in tables.runs), counts["dropped"]),
        "recorded": (counts["recorded"], counts["dropped"]),
        "left": (counts["left"], 0),
        "dead letters": (len(tables.letters), 0),
    }
    problems += [
        f"{what} is {found}, it should be {right}" for what, (found, right) in expected.items() if found != right
    ]
    if any(count["balances"] not in ([], [0]) for count in agents.counts):
        problems.append("emitted was not sent + pending + dropped at every moment")
    figures = {**counts, "runs": len(found.runs), "stored": stored, "repeats in the log": found.repeats}
    return figures, problems


def _sum(counts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update({name: count[name] for name in ("emitted", "sent", "recorded", "left")})
        total["dropped"] += sum(count["dropped"].values())
    return {"agents": len(counts), **{name: total[name] for name in ("emitted", "sent", "dropped", "recorded", "left")}}
