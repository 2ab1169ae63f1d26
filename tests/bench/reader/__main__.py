"""`python -m tests.bench.reader`, a part of `make bench`: fills two databases, and measures the reader on both."""

import asyncio
import json
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
from rich.console import Console

from deploy.local import PostgreSQL
from tests.bench import environment, report
from tests.bench.processes import run_json_module
from tests.bench.reader import lists, tables
from tests.support.servers import TemplateDatabase

_SMALL: Final = 10_000
_ROUNDS: Final = 3
_SETTINGS: Final = {"shared_buffers": "1GB", "max_wal_size": "8GB"}


@click.command()
@click.option(
    "--runs", type=click.IntRange(min=_SMALL + 1), default=1_000_000, show_default=True, help="Of the large database."
)
@click.option(
    "--long-run", type=click.IntRange(min=1000), default=1_000_000, show_default=True, help="Events of one run."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures as JSON to this file.")
def main(runs: int, long_run: int, json_file: Path | None) -> None:
    """Measure the calls of the reader on a small and on a large database.

    Starts its own PostgreSQL server.
    """
    console = Console(highlight=False, soft_wrap=True)
    figures: dict[str, Any] = {"machine": environment.machine()}
    with (
        TemporaryDirectory(prefix="agent-runs-bench-") as directory,
        PostgreSQL(Path(directory), settings=_SETTINGS) as postgres,
    ):
        asyncio.run(_measure(postgres.url, tables.Size(runs, long_run), figures, console))
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


async def _measure(server_url: str, size: tables.Size, figures: dict[str, Any], console: Console) -> None:
    template = await TemplateDatabase.create(server_url)
    urls: dict[int, str] = {}
    for each in (tables.Size(_SMALL, _SMALL), size):
        console.print(f"Filling a database with {each.runs:,} runs")
        urls[each.runs] = template.url_of(await template.clone())
        await tables.fill(urls[each.runs], each)
    small, large = await lists.measure(urls)
    console.print(lists.to_table(small, large))
    figures["calls"] = {"small": small, "large": large}
    rounds = [_long_run(urls[size.runs]) for _ in range(_ROUNDS)]
    figures["long_run"] = rounds
    console.print(_long_run_table(rounds))


def _long_run(url: str) -> dict[str, dict[str, float]]:
    return {
        what: run_json_module("tests.bench.reader.long_run", (what, url, tables.LONG_RUN))
        for what in ("cursor", "reader")
    }


def _long_run_table(rounds: list[dict[str, dict[str, float]]]) -> str:
    rows = []
    for what in ("cursor", "reader"):
        rate, memory = (median(each[what][key] for each in rounds) for key in ("events_per_s", "memory_mib"))
        ratio = median(each[what]["events_per_s"] / each["cursor"]["events_per_s"] for each in rounds)
        rows.append((what, f"{rate:,.0f}", f"{ratio:.2f}", f"{memory:.0f}"))
    return report.table(("a long run", "events/s", "ratio", "memory, MiB"), rows)


if __name__ == "__main__":
    main()
