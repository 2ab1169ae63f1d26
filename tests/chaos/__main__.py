"""`python -m tests.chaos`, which is what `make chaos` runs."""

import asyncio
import sys
from pathlib import Path
from random import Random
from secrets import randbits
from tempfile import TemporaryDirectory
from time import monotonic

import click

from tests.chaos.agents import Agents
from tests.chaos.nemesis import Nemesis
from tests.chaos.verdict import judge
from tests.chaos.world import TOPIC, open_world

AGENTS = 4
CALM_S = (1.0, 6.0)  # between two faults
REPLACE_EVERY = 4  # faults
TOLD = 20

# Small enough that the longer outages fill it.
QUEUE_BYTES = 400_000


@click.command()
@click.option("--minutes", type=float, default=30, show_default=True)
@click.option("--seed", type=int, help="What is done to Kafka, and when; another one each time.")
def main(minutes: float, seed: int | None) -> None:
    """Emit while Kafka is hurt, and account for every event."""
    seed = randbits(32) if seed is None else seed
    print(f"{minutes:g} minutes with seed {seed}", flush=True)
    sys.exit(asyncio.run(play(minutes * 60, seed)))


async def play(duration_s: float, seed: int) -> int:
    """0 when every event is accounted for, else 1."""
    rng = Random(seed)
    with TemporaryDirectory(prefix="agent-runs-chaos-") as directory:
        async with open_world() as world:
            environment = {
                "KAFKA_BOOTSTRAP_SERVERS": world.scene.servers.bootstrap_servers,
                "AGENT_RUNS_TOPIC": TOPIC,
                "AGENT_RUNS_QUEUE_BYTES": str(QUEUE_BYTES),
                "AGENT_RUNS_REQUEST_TIMEOUT_S": "2",
            }
            agents = Agents(AGENTS, environment, Path(directory), seed)
            nemesis = Nemesis(world.kafka, world.proxy, rng)
            try:
                await agents.start()
                await _hurt(nemesis, agents, rng, monotonic() + duration_s)
                await agents.stop()
                await world.scene.drained(300)
                figures, problems = await judge(world, agents)
            finally:
                agents.kill()
    print(f"faults: {dict(nemesis.done)}, {nemesis.done.total()} in all")
    print(", ".join(f"{name} {value:,}" for name, value in figures.items()))
    print("\n".join([f"{len(problems)} violations", *problems[:TOLD]]))
    return bool(problems)


async def _hurt(nemesis: Nemesis, agents: Agents, rng: Random, until: float) -> None:
    while monotonic() < until:
        await asyncio.sleep(rng.uniform(*CALM_S))
        await nemesis.strike()
        if nemesis.done.total() % REPLACE_EVERY == 0:
            await agents.replace_one()


if __name__ == "__main__":
    main()
