"""How long a partition stands still when members of the group die, freeze, join or leave, with the default settings."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

from rich.console import Console

from tests.bench import report
from tests.bench.database import check_stored, fresh_database
from tests.bench.scenarios.consumer_group import EVENTS_PER_S, MEMBERS, Group, publish_steadily, wait_until_stored
from tests.bench.servers import Servers, temporary_topic

_BEFORE_S: Final = 3.0  # published before something happens to a member
_AFTER_S: Final = 9.0  # and after it: longer than the default session timeout


_CHANGES: Final[dict[str, Callable[[Group], Awaitable[None]]]] = {
    "one killed (SIGKILL)": Group.kill,
    "one frozen (SIGSTOP)": Group.freeze,
    "one killed and started again at once": Group.kill_and_restart,
    "one added": Group.add,
    "one ended (SIGTERM)": Group.terminate,
    "all restarted, one after the other": Group.restart_all,
}


async def measure(servers: Servers, console: Console) -> list[dict[str, Any]]:
    """For each kind of change, the longest time from publishing an event to its COMMIT."""
    figures = []
    for name, change in _CHANGES.items():
        console.print(f"{MEMBERS} consumers, {EVENTS_PER_S} events/s: {name}")
        figures.append({"change": name, **await _measure_one(servers, change)})
    return figures


async def _measure_one(servers: Servers, change: Callable[[Group], Awaitable[None]]) -> dict[str, float]:
    topic, brokers = f"takeover-{uuid4().hex}", servers.bootstrap_servers
    with TemporaryDirectory(prefix="agent-runs-bench-") as directory:
        async with temporary_topic(servers, topic, ()), fresh_database(servers.template) as database:
            group = await Group.join(brokers, topic, database.url, Path(directory) / "group.log")
            try:
                publishing = asyncio.to_thread(publish_steadily, brokers, topic, _BEFORE_S + _AFTER_S)
                published = asyncio.create_task(publishing)
                await asyncio.sleep(_BEFORE_S)
                await change(group)
                await wait_until_stored(database, await published)
                [(longest_s, median_s)] = await database.fetch("publish_to_commit")
            finally:
                await group.end()
            check_stored("the group", (await database.fetch("stored_and_repeated"))[0][0], await published)
    return {"longest_s": longest_s, "p50_s": median_s}


def to_table(figures: list[dict[str, Any]]) -> str:
    """One row for each change."""
    rows = [[each["change"], f"{each['longest_s']:.1f}", f"{each['p50_s'] * 1000:.0f}"] for each in figures]
    return report.table(("change in a group of three", "longest publish to stored, s", "p50, ms"), rows)
