"""The service in asyncio's debug mode, with Python's warnings as errors."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT

import pytest

from tests.support.messages import events_of
from tests.support.paths import CHECKOUT
from tests.support.scene import Scene

pytestmark = pytest.mark.slow


async def test_the_service_works_in_debug_mode_and_warns_of_nothing(scene: Scene) -> None:
    await scene.publish(*events_of("run", "a", "b"))
    command = (sys.executable, "-X", "dev", "-W", "error", "-m", "consumer", "run", "--until-end")
    environ = scene.environ(AGENT_RUNS_GROUP=scene.until_end_group)

    process = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, env=environ, stdout=PIPE, stderr=STDOUT)
    output = (await process.communicate())[0].decode()

    assert process.returncode == 0, output
    assert await scene.event_ids("run") == ["a", "b"]
    for sign in ("Warning", "never retrieved", "never awaited", "unclosed", "Traceback"):
        assert sign not in output, output
