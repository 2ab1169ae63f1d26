"""The code in README.md works unchanged, with nothing but the wheel."""

import os
import re
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.installed_wheel import InstalledWheel, install_wheel
from tests.support.paths import CHECKOUT
from tests.support.servers import Servers
from tests.support.servers.clients import connect
from tests.support.servers.topics import delete_topic
from tests.support.viewer_process import get


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["wheel", "wheel-and-dependencies"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> InstalledWheel:
    """A virtual environment with the wheel; the slow one installs its dependencies too."""
    return install_wheel(tmp_path, with_dependencies=request.param)


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


async def run(folder: Path, environ: Mapping[str, str], *command: str) -> int:
    process = await create_subprocess_exec(*command, cwd=folder, env={**os.environ, **environ})
    return await process.wait()


@asynccontextmanager
async def viewer_of(installed: InstalledWheel, folder: Path, environ: Mapping[str, str]) -> AsyncIterator[int]:
    """Run the command of the wheel, and return the port; it must end with exit code 0 after SIGTERM."""
    environ = {**os.environ, **environ, "AGENT_RUNS_VIEWER_PORT": "0"}
    process = await create_subprocess_exec(installed.program("agent-runs-viewer"), cwd=folder, env=environ, stdout=PIPE)
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        assert line.startswith("The viewer is at http://127.0.0.1:"), line
        yield int(line.rstrip("/\n").rpartition(":")[2])
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_the_run_of_the_readme_is_stored_by_the_installed_wheel(
    servers: Servers, empty_database: str, installed: InstalledWheel, tmp_path: Path
) -> None:
    # Given the wheel alone in a virtual environment, outside of the checkout, and servers without topic and tables,
    topic = f"readme-{uuid4().hex}"  # the servers may be those of a developer, with a topic `run-events`
    environ = {"KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers, "DATABASE_URL": empty_database}
    environ |= {"AGENT_RUNS_TOPIC": topic}
    environ |= {"AGENT_RUNS_EXIT_TIMEOUT_S": "60"}  # the agent sends its events when it ends
    consumer = installed.program("agent-runs-consumer")
    (agent,) = python_blocks(CHECKOUT / "README.md")
    try:
        # when the tables and the topic are created, the README's only Python block runs, and the consumer runs,
        assert await run(tmp_path, environ, consumer, "migrate") == 0
        assert await run(tmp_path, environ, consumer, "create-topic", "--partitions", "2") == 0
        assert await run(tmp_path, environ, installed.program("python"), "-c", agent) == 0
        assert await run(tmp_path, environ, consumer, "run", "--until-end") == 0
    finally:
        await delete_topic(servers.bootstrap_servers, topic)
    # then the run is stored with all its events,
    async with connect(empty_database) as connection:
        row = await connection.fetchrow("SELECT agent_id, status, event_count FROM agent_runs")
    assert row is not None
    assert tuple(row) == ("scheduler", "completed", 6)
    # and shown by the viewer, whose files are in the wheel too,
    async with viewer_of(installed, tmp_path, environ) as port:
        assert [(await get(port, path)).status for path in ("/", "/api/runs", "/static/transcript.js")] == [200] * 3
    # and the wheel has installed no other top-level package than the library.
    packages = {path.name for path in installed.site_packages.iterdir() if path.suffix != ".dist-info"}
    assert {"agent_runs"} == packages & {"agent_runs", "consumer", "viewer", "schema", "tests", "deploy"}
