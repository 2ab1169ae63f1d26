"""The code in README.md works unchanged, with nothing but the wheel."""

import os
import re
from asyncio import create_subprocess_exec
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.installed_wheel import InstalledWheel, install_wheel
from tests.support.paths import CHECKOUT
from tests.support.servers import Servers, delete_topics
from tests.support.servers.clients import connect


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["wheel", "wheel-and-dependencies"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> InstalledWheel:
    """A virtual environment with the wheel; the slow one installs its dependencies too."""
    return install_wheel(tmp_path, with_dependencies=request.param)


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


async def run(folder: Path, environ: Mapping[str, str], *command: str) -> int:
    process = await create_subprocess_exec(*command, cwd=folder, env={**os.environ, **environ})
    return await process.wait()


async def test_the_run_of_the_readme_is_stored_by_the_installed_wheel(
    servers: Servers, empty_database: str, installed: InstalledWheel, tmp_path: Path
) -> None:
    # Given the wheel alone in a virtual environment, outside of the checkout, and servers without topic and tables,
    environ = {"KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers, "DATABASE_URL": empty_database}
    consumer = installed.program("agent-runs-consumer")
    (agent,) = python_blocks(CHECKOUT / "README.md")
    try:
        # when the tables and the topic are created, the README's only Python block runs, and the consumer runs,
        assert await run(tmp_path, environ, consumer, "migrate") == 0
        assert await run(tmp_path, environ, consumer, "create-topic", "--partitions", "2") == 0
        assert await run(tmp_path, environ, installed.program("python"), "-c", agent) == 0
        assert await run(tmp_path, environ, consumer, "run", "--until-end") == 0
    finally:
        await delete_topics(servers.bootstrap_servers, ["run-events"])
    # then the run is stored with all its events,
    async with connect(empty_database) as connection:
        row = await connection.fetchrow("SELECT agent_id, status, event_count FROM agent_runs")
    assert row is not None
    assert tuple(row) == ("scheduler", "completed", 6)
    # and the wheel has installed no other top-level package than the library.
    packages = {path.name for path in installed.site_packages.iterdir() if path.suffix != ".dist-info"}
    assert {"agent_runs"} == packages & {"agent_runs", "consumer", "schema", "tests", "deploy"}
