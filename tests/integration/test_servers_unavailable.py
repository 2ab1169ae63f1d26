"""A command other than `run` gives up on an unavailable server (exit code 4); `run` waits."""

import asyncio
import signal

import pytest

from deploy.local.ports import HOST, free_port
from tests.support.scene import Scene

ALL = [
    ("run", "--until-end"),
    ("migrate",),
    ("verify",),
    ("verify", "--topic"),
    ("create-topic",),
    ("offsets", "show"),
    ("offsets", "accept-loss", "--partition", "0", "--by", "Ada"),
]
USE_KAFKA = [command for command in ALL if command not in (("migrate",), ("verify",))]
USE_POSTGRESQL = [command for command in ALL if command != ("create-topic",)]


def _unavailable(variable: str) -> dict[str, str]:
    """An address at which no server listens."""
    address = f"{HOST}:{free_port()}"
    return {variable: address if variable.startswith("KAFKA") else f"postgresql://nobody@{address}/nothing"}


@pytest.mark.parametrize(
    ("variable", "commands"), [("KAFKA_BOOTSTRAP_SERVERS", USE_KAFKA), ("DATABASE_URL", USE_POSTGRESQL)]
)
async def test_commands_give_up_on_an_unavailable_server(
    scene: Scene, variable: str, commands: list[tuple[str, ...]]
) -> None:
    # Given a server that does not answer, when commands need it,
    settings = _unavailable(variable)
    finished = await asyncio.gather(
        *(scene.command(*command, AGENT_RUNS_GIVE_UP_S="0.5", **settings) for command in commands)
    )
    # then each gives up, and its output names what it waited for.
    for command, (exit_code, output) in zip(commands, finished, strict=True):
        assert exit_code == 4, f"{command}:\n{output}"
        assert "still unavailable after 0.5 s" in output, f"{command}:\n{output}"


@pytest.mark.parametrize("variable", ["KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"])
async def test_run_waits_for_an_unavailable_server_and_can_be_stopped_meanwhile(scene: Scene, variable: str) -> None:
    # Given a server that does not answer, when the consumer starts,
    settings = {"AGENT_RUNS_GIVE_UP_S": "0.1", "AGENT_RUNS_LOG_FORMAT": "json", **_unavailable(variable)}
    consumer = scene.start(**settings)
    # then it waits longer than a command would,
    await consumer.wait_for_action("wait", times=3)
    # and exits with code 0 on SIGINT.
    await consumer.terminate(signal=signal.SIGINT)
