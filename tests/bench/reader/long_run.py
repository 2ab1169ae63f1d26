"""Measures how fast the events of a long run are read, compared with a bare cursor of the driver.

`python -m tests.bench.reader.long_run reader|cursor URL RUN` prints its figures as JSON; each runs in a process of its
own, for its memory.
"""

import asyncio
import json
import os
import sys
import time

import asyncpg

from agent_runs.reader import Reader
from tests.bench.database import queries
from tests.bench.processes import peak_memory_mib
from tests.bench.reader.tables import QUERIES


async def read(url: str, run_id: str) -> int:
    """Read the run with the reader; return the number of events."""
    count = 0
    async with Reader(url) as reader:
        async for _ in reader.get_run_events(run_id):
            count += 1
    return count


async def read_bare(url: str, run_id: str) -> int:
    """Read the rows with a cursor of the driver; return their number."""
    count = 0
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        async for _ in connection.cursor(queries(QUERIES)["events_of_run"], run_id):
            count += 1
    await connection.close()
    return count


def main() -> None:
    """Measure one of the two."""
    what, url, run_id = sys.argv[1:]
    started, cpu_started = time.perf_counter(), time.process_time()
    count = asyncio.run({"reader": read, "cursor": read_bare}[what](url, run_id))
    figures = {
        "events_per_s": count / (time.perf_counter() - started),
        "cpu_us": (time.process_time() - cpu_started) / count * 1e6,
        "memory_mib": peak_memory_mib(os.getpid()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
