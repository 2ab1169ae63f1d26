"""Runs the viewer for a measurement."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.support.paths import CHECKOUT

_READY: bytes = b"The viewer is at http://"


class Viewer(NamedTuple):
    """A viewer that serves on the loopback address."""

    port: int
    pid: int


@asynccontextmanager
async def running_viewer(database_url: str) -> AsyncIterator[Viewer]:
    """Run the viewer during the block, as an installed one runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "viewer"),
        cwd=CHECKOUT,
        env={**os.environ, "DATABASE_URL": database_url, "AGENT_RUNS_VIEWER_PORT": "0"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        while (line := await process.stdout.readline()) and not line.startswith(_READY):
            pass
        yield Viewer(int(line.rpartition(b":")[2].strip(b"/\n")), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
