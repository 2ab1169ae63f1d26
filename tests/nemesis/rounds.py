"""One round after the other, for as long as one likes."""

from __future__ import annotations

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic

from tests.nemesis.round import Outcome, Plan, play
from tests.nemesis.summary import Summary
from tests.nemesis.world import World, open_world

CALM_S = 12.0
HURT_S = 130.0
RATE = 650.0  # so that a round has more than 60,000 records
ELSEWHERE_EVERY = 5


def short_plan(seed: str) -> Plan:
    """A round that a test can sit through."""
    return Plan(seed, calm_s=2, hurt_s=7, rate=200, elsewhere=False)


def plan(master: int, number: int) -> Plan:
    """A round can be repeated alone: its seed depends on nothing but the master's and its number."""
    return Plan(f"{master}-{number}", CALM_S, HURT_S, RATE, elsewhere=number % ELSEWHERE_EVERY == 1)


async def hour(duration_s: float, master: int, only: int | None = None) -> bool:
    """Whether all rounds went well. Where one did not, its directory is kept, and named."""
    summary, until = Summary(), monotonic() + duration_s
    directory = Path(mkdtemp(prefix="agent-runs-nemesis-"))
    number = only or 1
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        async with open_world(directory) as world:
            while True:
                planned = plan(master, number)
                outcome = await _play(world, planned, directory / f"round-{number}", pool)
                print(summary.add(number, planned.seed, outcome), flush=True)
                number += 1
                if only or monotonic() > until:
                    break
    print("\n".join(summary.lines()), flush=True)
    return _cleared(summary, directory, master)


async def _play(world: World, planned: Plan, directory: Path, pool: ProcessPoolExecutor) -> Outcome:
    """One round; what its processes said is kept only when something was wrong."""
    directory.mkdir()  # noqa: ASYNC240  # a local disk
    try:
        outcome = await play(world, planned, directory, pool)
    except Exception as error:  # noqa: BLE001  # the servers could not be healed; the next round may tell more
        outcome = Outcome(violations=[f"the machine broke: {error!r}"])
    if outcome.violations:
        (directory / "violations.txt").write_text("\n".join(outcome.violations))
    else:
        shutil.rmtree(directory)
    return outcome


def _cleared(summary: Summary, directory: Path, master: int) -> bool:
    if not summary.failed:
        shutil.rmtree(directory)
        return True
    print(f"What the consumers said, and all violations, are in {directory}. Repeat: SEED={master} ROUND=<number>")
    return False
