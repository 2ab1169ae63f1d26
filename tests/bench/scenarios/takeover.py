"""How long a partition stands still when members of the group die, freeze, join or leave, with the default settings."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import Producer
from rich.console import Console

from tests.bench import report
from tests.bench.database import Database, check_stored, fresh_database
from tests.bench.servers import PARTITIONS, Servers, temporary_topic
from tests.bench.workload import messages
from tests.support.paths import CHECKOUT
from tests.support.waiting import until

_MEMBERS: Final = 3
_EVENTS_PER_S: Final = 600
_BEFORE_S: Final = 3.0  # published before something happens to a member
_AFTER_S: Final = 9.0  # and after it: longer than the default session timeout
_SEED: Final = 4


class _Group:
    """The processes of one consumer group, started with the default settings."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = {**os.environ, **environment}
        self._log = log
        self.members = [self.start() for _ in range(_MEMBERS)]
        self.frozen: subprocess.Popen[bytes] | None = None

    def start(self) -> "subprocess.Popen[bytes]":
        """A new process, not yet one of `members`."""
        command = [sys.executable, "-m", "consumer", "run"]
        with self._log.open("ab") as output:  # in append mode, because all members write to it
            return subprocess.Popen(command, cwd=CHECKOUT, env=self._environment, stderr=output)

    async def kill(self) -> None:
        self.members.pop(0).kill()

    async def freeze(self) -> None:
        self.frozen = self.members.pop(0)
        self.frozen.send_signal(signal.SIGSTOP)

    async def kill_and_restart(self) -> None:
        self.members.pop(0).kill()
        self.members.append(self.start())

    async def add(self) -> None:
        self.members.append(self.start())

    async def terminate(self) -> None:
        member = self.members.pop(0)
        member.terminate()
        await asyncio.to_thread(member.wait)

    async def restart_all(self) -> None:
        """Terminate and replace the members one after the other, as an orchestrator does."""
        for _ in range(_MEMBERS):
            await self.terminate()
            await self.add()
            await asyncio.sleep(2)

    async def end(self) -> None:
        """End all processes."""
        for member in [*self.members, *([self.frozen] if self.frozen else [])]:
            member.kill()
            await asyncio.to_thread(member.wait)


_EVENTS: Final[dict[str, Callable[[_Group], Awaitable[None]]]] = {
    "one killed (SIGKILL)": _Group.kill,
    "one frozen (SIGSTOP)": _Group.freeze,
    "one killed and started again at once": _Group.kill_and_restart,
    "one added": _Group.add,
    "one ended (SIGTERM)": _Group.terminate,
    "all restarted, one after the other": _Group.restart_all,
}


async def measure(servers: Servers, console: Console) -> list[dict[str, Any]]:
    """For each kind of change, the longest time from publishing an event to its COMMIT."""
    figures = []
    for name, change in _EVENTS.items():
        console.print(f"{_MEMBERS} consumers, {_EVENTS_PER_S} events/s: {name}")
        figures.append({"change": name, **await _measure_one(servers, change)})
    return figures


async def _measure_one(servers: Servers, change: Callable[[_Group], Awaitable[None]]) -> dict[str, float]:
    topic = f"takeover-{uuid4().hex}"
    with TemporaryDirectory(prefix="agent-runs-bench-") as directory:
        log = Path(directory) / "group.log"
        async with temporary_topic(servers, topic, ()), fresh_database(servers.template) as database:
            environment = {
                "KAFKA_BOOTSTRAP_SERVERS": servers.bootstrap_servers,
                "DATABASE_URL": database.url,
                "AGENT_RUNS_TOPIC": topic,
                "AGENT_RUNS_GROUP": topic,
            }
            group = _Group(environment, log)
            try:
                await until(lambda: _is_shared(log), "every member has partitions")
                publishing = asyncio.create_task(asyncio.to_thread(_publish, servers.bootstrap_servers, topic))
                await asyncio.sleep(_BEFORE_S)
                await change(group)
                published = await publishing
                await until(lambda: _are_stored(database, published), "every event is stored")
                [(longest_s, median_s)] = await database.fetch("publish_to_commit")
            finally:
                await group.end()
            check_stored("the group", (await database.fetch("stored_and_repeated"))[0][0], published)
    return {"longest_s": longest_s, "p50_s": median_s}


def _is_shared(log: Path) -> bool:
    """Whether the latest assignments of the members together have all partitions."""
    assignments = [line for line in log.read_text().splitlines() if "action=assigned" in line]
    partitions = [line.rpartition("partitions=")[2].strip("[]").split(", ") for line in assignments[-_MEMBERS:]]
    return len(partitions) == _MEMBERS and len({number for own in partitions for number in own}) == PARTITIONS


async def _are_stored(database: Database, events: int) -> bool:
    [(stored, _)] = await database.fetch("stored_and_repeated")
    return bool(stored >= events)


def _publish(bootstrap_servers: str, topic: str) -> int:
    """Publish at a steady rate until the scenario's time is over. Returns the number of events."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 5, "log_level": 3})
    events = int((_BEFORE_S + _AFTER_S) * _EVENTS_PER_S)
    began = time.monotonic()
    for number, message in enumerate(messages(_SEED, events)):
        if (ahead_s := number / _EVENTS_PER_S - (time.monotonic() - began)) > 0:
            time.sleep(ahead_s)
        producer.produce(topic, message.value, message.run_id.encode())
        producer.poll(0)
    if unsent := producer.flush(60):
        raise TimeoutError(f"{unsent} messages were not acknowledged")
    return events


def to_table(figures: list[dict[str, Any]]) -> str:
    """One row for each change."""
    rows = [[each["change"], f"{each['longest_s']:.1f}", f"{each['p50_s'] * 1000:.0f}"] for each in figures]
    return report.table(("change in a group of three", "longest publish to stored, s", "p50, ms"), rows)
