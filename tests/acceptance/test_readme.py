"""The code in README.md works unchanged."""

import os
import re
import sys
from asyncio import create_subprocess_exec
from pathlib import Path

from tests.support.paths import CHECKOUT
from tests.support.servers import LOG_APPEND_TIME, Servers, create_topic, delete_topics
from tests.support.servers.clients import connect


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


async def run(*arguments: str, servers: Servers, database: str) -> int:
    environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers, "DATABASE_URL": database}
    process = await create_subprocess_exec(sys.executable, *arguments, cwd=CHECKOUT, env=environ)
    return await process.wait()


async def test_the_run_of_the_readme_is_stored(servers: Servers, database: str) -> None:
    # Given the topic to which the README's code publishes,
    await create_topic(servers.bootstrap_servers, "run-events", 2, LOG_APPEND_TIME)
    try:
        # when its only Python block runs unchanged, and then the consumer runs,
        (block,) = python_blocks(CHECKOUT / "README.md")
        assert await run("-c", block, servers=servers, database=database) == 0
        assert await run("-m", "consumer", "run", "--until-end", servers=servers, database=database) == 0
    finally:
        await delete_topics(servers.bootstrap_servers, ["run-events"])
    # then the run is stored with all its events.
    async with connect(database) as connection:
        row = await connection.fetchrow("SELECT agent_id, status, event_count FROM agent_runs")
    assert row is not None
    assert tuple(row) == ("scheduler", "completed", 6)
