"""Commands that end by themselves give up on a world that does not come back; exit code 4."""

import asyncio
import signal

import pytest

from deploy.local.ports import HOST, free_port
from tests.support.pipeline import Pipeline

ALL = [
    ("run", "--until-end"),
    ("migrate",),
    ("verify",),
    ("verify", "--topic"),
    ("create-topic",),
    ("offsets", "show"),
    ("offsets", "accept-loss", "--partition", "0", "--by", "Ada"),
]
OF_KAFKA = [command for command in ALL if command not in (("migrate",), ("verify",))]
OF_POSTGRESQL = [command for command in ALL if command != ("create-topic",)]


async def _all_give_up(pipeline: Pipeline, commands: list[tuple[str, ...]], **away: str) -> None:
    """Run the commands side by side, and require that each gives up and names what it waited for."""
    finished = await asyncio.gather(*(pipeline.command(*each, AGENT_RUNS_GIVE_UP_S="0.5", **away) for each in commands))
    for command, (exit_code, output) in zip(commands, finished, strict=True):
        assert exit_code == 4, f"{command}:\n{output}"
        assert "still unavailable after 0.5 s" in output, f"{command}:\n{output}"


async def test_commands_that_end_give_up_on_a_kafka_that_does_not_answer(pipeline: Pipeline) -> None:
    # Given an address where no broker listens, when commands need one, then they give up.
    await _all_give_up(pipeline, OF_KAFKA, KAFKA_BOOTSTRAP_SERVERS=f"{HOST}:{free_port()}")


async def test_commands_that_end_give_up_on_a_postgresql_that_does_not_answer(pipeline: Pipeline) -> None:
    # Given an address where no database listens, when commands need one, then they give up.
    await _all_give_up(pipeline, OF_POSTGRESQL, DATABASE_URL=f"postgresql://nobody@{HOST}:{free_port()}/nothing")


@pytest.mark.parametrize("away", ["KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"])
async def test_run_waits_for_a_world_that_is_away_and_can_be_stopped_meanwhile(pipeline: Pipeline, away: str) -> None:
    # Given a world of which one half is away,
    address = f"{HOST}:{free_port()}"
    settings = {away: address if away.startswith("KAFKA") else f"postgresql://{address}/nothing"}
    # when the consumer starts, then it waits longer than any one-shot command would,
    async with pipeline.consumer(AGENT_RUNS_GIVE_UP_S="0.1", **settings) as running:
        await running.says("wait", times=3)
        # and ends in good order when told to.
        assert await running.stop(signal.SIGINT) == 0
