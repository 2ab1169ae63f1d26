"""`python -m tests.bench.reader.big_run`: measures the memory of `agent-runs export` for a run of 2 GB."""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click

from deploy.local import PostgreSQL
from tests.bench import report
from tests.bench.processes import run_process
from tests.bench.reader import tables
from tests.support.servers import TemplateDatabase

_GB: Final = 10**9
_SMALL_SHARE: Final = 100  # the small run is so many times smaller


@click.command()
@click.option("--gb", type=click.FloatRange(min=0.1), default=2, show_default=True, help="Of messages of 100 kB.")
def main(gb: float) -> None:
    """Measure the memory of `agent-runs export` for a small and for a big run. Starts its own PostgreSQL server."""
    rows = []
    with TemporaryDirectory(prefix="agent-runs-bench-") as directory, PostgreSQL(Path(directory)) as postgres:
        for size in (gb / _SMALL_SHARE, gb):
            url, events = asyncio.run(_filled(postgres.url, round(size * _GB)))
            command = [sys.executable, "-m", "agent_runs", "export", tables.BIG_RUN, "-f", "/dev/null"]
            usage = run_process(command, {"DATABASE_URL": url})
            rows.append((f"{size:g}", f"{events:,}", f"{usage.wall_s:.1f}", f"{usage.memory_mib:.0f}"))
    click.echo(report.table(("messages, GB", "events", "duration, s", "memory, MiB"), rows))


async def _filled(server_url: str, payload_bytes: int) -> tuple[str, int]:
    """Return the URL of a new database with the run, and the number of its events."""
    template = await TemplateDatabase.create(server_url)
    url = template.url_of(await template.clone())
    return url, await tables.fill_big_run(url, payload_bytes)


if __name__ == "__main__":
    main()
