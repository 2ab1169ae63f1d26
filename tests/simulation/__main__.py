"""`python -m tests.simulation`: plays schedules for some minutes, or one schedule by its seed (`make simulate`)."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from secrets import randbits
from time import monotonic

import click

from tests.simulation.environment import simulated_clients
from tests.simulation.schedule import Result, play

SCHEDULES_PER_JOB = 25  # a worker process returns its results after so many


@click.command()
@click.option("--minutes", type=float, default=5, show_default=True)
@click.option("--seed", type=int, help="Play only this schedule, and print what happens.")
@click.option("--jobs", type=int, default=os.cpu_count, show_default="one a core")
def main(minutes: float, seed: int | None, jobs: int) -> None:
    """Play schedules, each with another seed, until the time is over. Exit code 1: a schedule has failed."""
    sys.exit(replay(seed) if seed is not None else play_on(minutes * 60, jobs))


def replay(seed: int) -> int:
    """Play one schedule and print its trace. Returns the exit code: 1 if it has failed."""
    trace: list[str] = []
    with simulated_clients():
        result = play(seed, trace)
    print("\n".join([*trace, *result.problems]))
    print(f"{len(result.problems)} problems, {result.virtual_s:.1f} s, fingerprint {result.fingerprint}")
    return bool(result.problems)


def play_on(duration_s: float, jobs: int) -> int:
    """Play schedules in `jobs` processes. Returns the exit code: 1 if a schedule has failed."""
    began = monotonic()
    first = randbits(32)
    print(f"{duration_s / 60:g} minutes of schedules from seed {first} on", flush=True)
    faults, actions, played, records, failed = Counter[str](), Counter[str](), 0, 0, list[Result]()
    for result in _results(first, began + duration_s, jobs):
        played, records = played + 1, records + result.records
        faults, actions = faults + result.faults, actions + result.log_actions
        if result.problems:
            failed.append(result)
            print("\n  ".join([f"seed {result.seed}:", *result.problems]), flush=True)
    print(f"faults: {dict(faults)}, {faults.total():,} of {len(faults)} kinds in all")
    print(f"log actions of the service: {dict(actions)}")
    print(f"{played:,} schedules, {played / (monotonic() - began) * 60:,.0f} a minute, {records:,} records")
    print(f"{len(failed)} failed" + (f"; reproduce the first one with --seed {failed[0].seed}" if failed else ""))
    return bool(failed)


def _results(first: int, until: float, jobs: int) -> Iterator[Result]:
    with ProcessPoolExecutor(jobs) as pool:
        first_seeds = count(first, SCHEDULES_PER_JOB)
        running = [pool.submit(_play_range, next(first_seeds)) for _ in range(jobs)]
        while running:
            yield from running.pop(0).result()
            if monotonic() < until:
                running.append(pool.submit(_play_range, next(first_seeds)))


def _play_range(first: int) -> list[Result]:
    with simulated_clients():
        return [play(seed) for seed in range(first, first + SCHEDULES_PER_JOB)]


if __name__ == "__main__":
    main()
