"""`python -m tests.bench.viewer`: measures the viewer with big databases, and from an agent's call to the page."""

import asyncio
import json
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
from rich.console import Console

from deploy.local import PostgreSQL
from tests.bench import environment, report
from tests.bench.processes import peak_memory_mib
from tests.bench.reader import tables
from tests.bench.servers import start_servers
from tests.bench.viewer import big_run, browser, delays, ingest, pages
from tests.bench.viewer.process import running_viewer
from tests.support.servers import TemplateDatabase

_SETTINGS: Final = {"shared_buffers": "1GB", "max_wal_size": "8GB"}
_PARTS: Final = ("run", "lists", "delays", "ingest")
_DEEP_PAGES: Final = 20  # of 1,000 runs, before the page that is measured


@click.command()
@click.option("--events", default=big_run.EVENTS, show_default=True, help="Events of the big run.")
@click.option("--runs", default=1_000_000, show_default=True, help="Runs of the large database.")
@click.option("--only", type=click.Choice(_PARTS), multiple=True, help="Only these parts.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures as JSON to this file.")
def main(events: int, runs: int, only: tuple[str, ...], json_file: Path | None) -> None:
    """Measure the viewer: a big run, lists of many runs, the delay of new events, and watchers beside ingest.

    Starts its own servers.
    """
    console = Console(highlight=False, soft_wrap=True)
    figures: dict[str, Any] = {"machine": environment.machine()}
    parts = only or _PARTS
    if {"run", "lists"} & set(parts):
        with (
            TemporaryDirectory(prefix="agent-runs-bench-") as directory,
            PostgreSQL(Path(directory), settings=_SETTINGS) as postgres,
        ):
            asyncio.run(_measure_pages(postgres.url, parts, (events, runs), figures, console))
    if {"delays", "ingest"} & set(parts):
        asyncio.run(_measure_live(parts, figures, console))
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


async def _measure_pages(
    server_url: str, parts: tuple[str, ...], size: tuple[int, int], figures: dict[str, Any], console: Console
) -> None:
    template = await TemplateDatabase.create(server_url)
    if "run" in parts:
        url = template.url_of(await template.clone())
        payloads = await big_run.fill(url, size[0])
        console.print(f"A run of {size[0]:,} events with {payloads / 1e6:,.0f} MB of payloads")
        figures["run"] = await _run(url, size[0], console)
    if "lists" in parts:
        console.print(f"Filling a database with {size[1]:,} runs")
        url = template.url_of(await template.clone())
        await tables.fill(url, tables.Size(size[1], 1000))
        async with running_viewer(url) as viewer:
            answers = await asyncio.to_thread(_lists, viewer.port)
        console.print(pages.to_table("list", answers))
        figures["lists"] = answers


async def _run(url: str, events: int, console: Console) -> dict[str, Any]:
    async with running_viewer(url) as viewer:
        answers = await asyncio.to_thread(pages.measure, viewer.port, pages.of_big_run(events))
        console.print(pages.to_table("address", answers))
        search_s = await asyncio.to_thread(_search_s, viewer.port)
        in_browser = await asyncio.to_thread(browser.measure, viewer.port)
        memory_mib = peak_memory_mib(viewer.pid)
    rows = [
        ("search of all payloads, s", f"{search_s:.1f}"),
        ("largest memory of the server, MiB", f"{memory_mib:.0f}"),
    ]
    rows += [(f"browser: {name}", f"{number:,.0f}") for name, number in (in_browser or {}).items()]
    console.print(report.table(("", ""), rows))
    return {"answers": answers, "search_s": search_s, "memory_mib": memory_mib, "browser": in_browser}


def _search_s(port: int) -> float:
    """Return how long it takes to search the whole run for a text that is nowhere."""
    started, after = time.perf_counter(), -1
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        while True:
            address = f"/api/runs/{big_run.RUN}/search?q=no+such+text&after={after}"
            found = json.loads(pages.fetch(connection, address))
            after = found["searched_to"]
            if found["is_complete"]:
                return time.perf_counter() - started


def _lists(port: int) -> dict[str, pages.Answer]:
    """Measure the first page of each list, and one after 20,000 runs, or the last one."""
    addresses = {}
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for name, address in pages.OF_LISTS.items():
            addresses[f"{name}: first page"] = address
            addresses[f"{name}: deep"] = f"{address}&cursor={_deep_cursor(connection, address)}"
    return pages.measure(port, addresses)


def _deep_cursor(connection: HTTPConnection, address: str) -> str:
    cursor = ""
    for _ in range(_DEEP_PAGES):
        page = json.loads(pages.fetch(connection, f"/api/runs{address[1:]}&limit=1000&cursor={cursor}"))
        if page["cursor"] is None:
            break
        cursor = page["cursor"]
    return cursor


async def _measure_live(parts: tuple[str, ...], figures: dict[str, Any], console: Console) -> None:
    async with start_servers() as servers:
        if "delays" in parts:
            figures["delays"] = await delays.measure(servers)
            rows = [
                (name, f"{each['events']:.0f}", f"{each['p50_ms']:.0f}", f"{each['p99_ms']:.0f}")
                for name, each in figures["delays"].items()
            ]
            console.print(report.table(("from the call to the page", "events", "p50, ms", "p99, ms"), rows))
        if "ingest" in parts:
            figures["ingest"] = await ingest.measure(servers)
            console.print(ingest.to_table(figures["ingest"]))


if __name__ == "__main__":
    main()
