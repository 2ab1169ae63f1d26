"""`python -m tests.nemesis`: plays rounds of random faults (`make faults`, `make soak`)."""

import asyncio
import logging
import sys
from secrets import randbits

import click

from tests.nemesis.rounds import play_rounds


@click.command()
@click.option("--minutes", type=float, default=60, show_default=True)
@click.option("--seed", type=int, help="Determines the faults and their times. Default: a random one.")
@click.option("--round", "only", type=int, help="Play only this round of the seed.")
def main(minutes: float, seed: int | None, only: int | None) -> None:
    """Publish and consume under random faults, and account for every record. Exit code 1: there are violations."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it reports each request to a broker that is down
    seed = randbits(32) if seed is None else seed
    print(f"{minutes:g} minutes with seed {seed}", flush=True)
    sys.exit(not asyncio.run(play_rounds(minutes * 60, seed, only)))


if __name__ == "__main__":
    main()
