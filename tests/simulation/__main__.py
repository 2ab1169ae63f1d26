"""`python -m tests.simulation`, which is what `make simulate` runs."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from secrets import randbits
from time import monotonic

import click

from tests.simulation.schedule import Outcome, play
from tests.simulation.world import in_place

AT_ONCE = 25  # schedules that a process plays before it tells


@click.command()
@click.option("--minutes", type=float, default=5, show_default=True)
@click.option("--seed", type=int, help="Play this schedule alone, and tell its story.")
@click.option("--jobs", type=int, default=os.cpu_count, show_default="one a core")
def main(minutes: float, seed: int | None, jobs: int) -> None:
    """Play schedules until the time is over, each with a seed of its own."""
    sys.exit(tell(seed) if seed is not None else play_on(minutes * 60, jobs))


def tell(seed: int) -> int:
    """1 when something is wrong."""
    story: list[str] = []
    with in_place():
        outcome = play(seed, story)
    print("\n".join([*story, *outcome.problems]))
    print(f"{len(outcome.problems)} problems, {outcome.virtual_s:.1f} s, fingerprint {outcome.fingerprint}")
    return bool(outcome.problems)


def play_on(duration_s: float, jobs: int) -> int:
    """1 when something is wrong."""
    began = monotonic()
    first = randbits(32)
    print(f"{duration_s / 60:g} minutes of schedules from seed {first} on", flush=True)
    faults, said, played, records, failed = Counter[str](), Counter[str](), 0, 0, list[Outcome]()
    for outcome in _outcomes(first, began + duration_s, jobs):
        played, records = played + 1, records + outcome.records
        faults, said = faults + outcome.faults, said + outcome.said
        if outcome.problems:
            failed.append(outcome)
            print("\n  ".join([f"seed {outcome.seed}:", *outcome.problems]), flush=True)
    print(f"faults: {dict(faults)}, {faults.total():,} of {len(faults)} kinds in all")
    print(f"the service said: {dict(said)}")
    print(f"{played:,} schedules, {played / (monotonic() - began) * 60:,.0f} a minute, {records:,} records")
    print(f"{len(failed)} failed" + (f", the first was --seed {failed[0].seed}" if failed else ""))
    return bool(failed)


def _outcomes(first: int, until: float, jobs: int) -> Iterator[Outcome]:
    with ProcessPoolExecutor(jobs) as pool:
        stretches = count(first, AT_ONCE)
        running = [pool.submit(_stretch, next(stretches)) for _ in range(jobs)]
        while running:
            yield from running.pop(0).result()
            if monotonic() < until:
                running.append(pool.submit(_stretch, next(stretches)))


def _stretch(first: int) -> list[Outcome]:
    with in_place():
        return [play(seed) for seed in range(first, first + AT_ONCE)]


if __name__ == "__main__":
    main()
