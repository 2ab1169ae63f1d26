"""Plays rounds for a given time, and prints a line for each and a summary."""

from __future__ import annotations

import shutil
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic

from tests.nemesis.environment import Environment, open_environment
from tests.nemesis.round import RoundPlan, RoundResult, play_round

CALM_S = 12.0
FAULTS_S = 130.0
RATE = 650.0  # records a second: a round has more than 60,000 records
SECOND_DATABASE_EVERY = 5
SHOWN = 20
MAX_CHARACTERS = 1_500

# Rounds that once failed, as (seed, number of the round): `make test` plays them again.
FAILED: list[tuple[int, int]] = []


class Summary:
    """The results of the rounds so far."""

    def __init__(self) -> None:
        self.results: list[RoundResult] = []

    def add(self, number: int, seed: str, result: RoundResult) -> str:
        """Add a round's result. Returns the line to print for it."""
        self.results.append(result)
        figures = result.figures
        recovered = result.measured.get("L1 lag 0 after the last fault, s", (0.0, 0.0))
        return (
            f"round {number} (seed {seed}): {figures['records']:,} records, {result.faults.total()} faults, "
            f"lag 0 after {recovered[0]:.1f} s, {len(result.violations)} violations\n"
            f"   longest standstill of a partition: {result.longest_standstill}"
        )

    @property
    def failed(self) -> bool:
        return any(result.violations for result in self.results)

    def lines(self) -> list[str]:
        """The summary of all rounds, line by line."""
        faults, figures = Counter[str](), Counter[str]()
        for result in self.results:
            faults.update(result.faults)
            figures.update(result.figures)
        violations = [violation for result in self.results for violation in result.violations]
        return [
            f"{len(self.results)} rounds: " + ", ".join(f"{name} {value:,}" for name, value in figures.items()),
            f"faults: {faults.total():,} of {len(faults)} kinds",
            *(f"  {count:5,} {name}" for name, count in sorted(faults.items())),
            *self._worst(),
            *self._standstills(),
            f"{len(violations)} violations",
            *(violation[:MAX_CHARACTERS] for violation in violations[:SHOWN]),
        ]

    def _standstills(self) -> list[str]:
        longest: dict[str, float] = {}
        for result in self.results:
            for name, duration_s in result.standstills.items():
                longest[name] = max(longest.get(name, 0.0), duration_s)
        worst_s = max(longest.values(), default=0.0)
        return [
            f"longest standstill of a partition: {worst_s:.1f} s; by the only fault meanwhile:",
            *(f"  {duration_s:5.1f} s {name}" for name, duration_s in _by_duration(longest)),
        ]

    def _worst(self) -> list[str]:
        names = {name: None for result in self.results for name in result.measured}
        lines = []
        for name in names:
            seen = [result.measured[name] for result in self.results if name in result.measured]
            # L6 is a share with a lower bound: the smallest value is the worst.
            value, bound = max(seen, key=lambda pair: pair[0] / pair[1] if "L6" not in name else -pair[0])
            lines.append(f"{name}: {value:.2f} at worst, {'at least' if 'L6' in name else 'at most'} {bound:.2f}")
        return lines


def _by_duration(longest: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(longest.items(), key=lambda item: -item[1])


def short_plan(seed: str) -> RoundPlan:
    """A round short enough for a test."""
    return RoundPlan(seed, calm_s=2, faults_s=7, rate=200, second_database=False)


def plan(seed: int, number: int) -> RoundPlan:
    """The plan of a round. It depends only on the seed and the number, so that a round can be repeated alone."""
    return RoundPlan(f"{seed}-{number}", CALM_S, FAULTS_S, RATE, second_database=number % SECOND_DATABASE_EVERY == 1)


async def play_rounds(duration_s: float, seed: int, only: int | None = None) -> bool:
    """Play rounds for `duration_s` seconds, or only one. Returns whether all rounds were without violations.

    The directory of a round with violations is kept, and its path is printed.
    """
    summary, until = Summary(), monotonic() + duration_s
    directory = Path(mkdtemp(prefix="agent-runs-nemesis-"))
    number = only or 1
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        async with open_environment(directory) as env:
            while True:
                round_plan = plan(seed, number)
                result = await _play(env, round_plan, directory / f"round-{number}", pool)
                print(summary.add(number, round_plan.seed, result), flush=True)
                number += 1
                if only or monotonic() > until:
                    break
    print("\n".join(summary.lines()), flush=True)
    return _keep_failures(summary, directory, seed)


async def _play(env: Environment, round_plan: RoundPlan, directory: Path, pool: ProcessPoolExecutor) -> RoundResult:
    """Play one round; keep its directory only if it has violations."""
    directory.mkdir()  # noqa: ASYNC240  # a local disk
    try:
        result = await play_round(env, round_plan, directory, pool)
    except Exception as error:  # noqa: BLE001  # the servers could not be healed; play the next round all the same
        result = RoundResult(violations=[f"the test environment failed: {error!r}"])
    if result.violations:
        (directory / "violations.txt").write_text("\n".join(result.violations))
    else:
        shutil.rmtree(directory)
    return result


def _keep_failures(summary: Summary, directory: Path, seed: int) -> bool:
    if not summary.failed:
        shutil.rmtree(directory)
        return True
    print(f"Logs and violations are in {directory}. Repeat a round with: make faults SEED={seed} ROUND=<number>")
    return False
