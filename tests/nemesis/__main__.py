"""`python -m tests.nemesis`, which is what `make faults` and `make soak` run."""

import asyncio
import sys
from secrets import randbits

import click

from tests.nemesis.rounds import hour


@click.command()
@click.option("--minutes", type=float, default=60, show_default=True)
@click.option("--seed", type=int, help="What is done, to what, and when; another one each time.")
@click.option("--round", "only", type=int, help="Only this round of the seed's.")
def main(minutes: float, seed: int | None, only: int | None) -> None:
    """Publish and consume while everything is hurt, and account for every record."""
    seed = randbits(32) if seed is None else seed
    print(f"{minutes:g} minutes with seed {seed}", flush=True)
    sys.exit(not asyncio.run(hour(minutes * 60, seed, only)))


if __name__ == "__main__":
    main()
