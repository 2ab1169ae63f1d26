"""How often the group removes a member that is only late, with the default settings, and what that costs.

A member may be late although it runs: the machine suspends it, the processors are busy, or the broker is slow.
"""

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple
from uuid import uuid4

from rich.console import Console

from tests.bench import report
from tests.bench.database import check_stored, fresh_database
from tests.bench.scenarios.consumer_group import MEMBERS, Group, publish_steadily, wait_until_stored
from tests.bench.servers import PARTITIONS, Servers
from tests.support.proxy.proxied_kafka import ProxiedKafka
from tests.support.proxy.proxy import KafkaProxy
from tests.support.servers import LOG_APPEND_TIME, create_topic

_BEFORE_S: Final = 3.0  # published before the disturbance
_PERIOD_S: Final = 15.0  # of the disturbance and the time after it
_BUSY_PROCESSES: Final = 8


class _Scene(NamedTuple):
    group: Group
    proxy: KafkaProxy  # between the members and the broker


def _pause(seconds: float) -> Callable[[_Scene], Awaitable[None]]:
    return lambda scene: scene.group.pause(seconds)


def _delay(seconds: float) -> Callable[[_Scene], Awaitable[None]]:
    async def delay(scene: _Scene) -> None:
        scene.proxy.delay_s = seconds
        await asyncio.sleep(_PERIOD_S)
        scene.proxy.delay_s = 0.0

    return delay


async def _load_processors(_: _Scene) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_compute, daemon=True) for _ in range(_BUSY_PROCESSES)]
    for process in processes:
        process.start()
    await asyncio.sleep(_PERIOD_S)
    for process in processes:
        process.kill()
        process.join()


def _compute() -> None:
    while True:
        pass


async def _do_nothing(_: _Scene) -> None: ...


_DISTURBANCES: Final[dict[str, Callable[[_Scene], Awaitable[None]]]] = {
    "nothing": _do_nothing,
    **{f"one member stopped for {seconds:g} s": _pause(seconds) for seconds in (0.5, 1, 2, 4, 8)},
    f"{_BUSY_PROCESSES} other processes compute on all processors": _load_processors,
    **{f"requests and responses take {seconds:g} s longer": _delay(seconds) for seconds in (0.1, 0.5)},
}


async def measure(servers: Servers, console: Console) -> list[dict[str, Any]]:
    """For each disturbance: rebalances, removed members, failed transactions, and the longest publish to COMMIT."""
    figures = []
    with TemporaryDirectory(prefix="agent-runs-bench-") as directory, ProxiedKafka(Path(directory)) as kafka:
        for name, disturb in _DISTURBANCES.items():
            console.print(f"{MEMBERS} consumers: {name}")
            async with kafka.proxy() as proxy:
                figures.append({"disturbance": name, **await _measure_one(servers, kafka, proxy, disturb)})
    return figures


async def _measure_one(
    servers: Servers, kafka: ProxiedKafka, proxy: KafkaProxy, disturb: Callable[[_Scene], Awaitable[None]]
) -> dict[str, float]:
    topic = f"suspicions-{uuid4().hex}"
    await create_topic(kafka.bootstrap_servers, topic, PARTITIONS, LOG_APPEND_TIME)
    with TemporaryDirectory(prefix="agent-runs-bench-") as directory:
        async with fresh_database(servers.template) as database:
            group = await Group.join(proxy.address, topic, database.url, Path(directory) / "group.log")
            try:
                assigned = group.logged("assigned")
                publishing = asyncio.to_thread(publish_steadily, kafka.bootstrap_servers, topic, _BEFORE_S + _PERIOD_S)
                published = asyncio.create_task(publishing)
                await asyncio.sleep(_BEFORE_S)
                await disturb(_Scene(group, proxy))
                await wait_until_stored(database, await published)
                [(longest_s, _)] = await database.fetch("publish_to_commit")
                rebalances = (group.logged("assigned") - assigned) / MEMBERS
                removed, failed = group.logged("member_removed"), group.logged("batch_failed")
            finally:
                await group.end()
            check_stored("the group", (await database.fetch("stored_and_repeated"))[0][0], await published)
    return {"longest_s": longest_s, "rebalances": rebalances, "removed": removed, "failed": failed}


def to_table(figures: list[dict[str, Any]]) -> str:
    """One row for each disturbance."""
    rows = [
        [
            each["disturbance"],
            f"{each['longest_s']:.1f}",
            f"{each['rebalances']:.0f}",
            f"{each['removed']}",
            f"{each['failed']}",
        ]
        for each in figures
    ]
    header = (
        "disturbance of a group of three",
        "longest publish to stored, s",
        "rebalances",
        "members removed",
        "failed transactions",
    )
    return report.table(header, rows)
