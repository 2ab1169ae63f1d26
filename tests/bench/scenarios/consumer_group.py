"""A consumer group of three processes, and the producer whose events it stores, for the scenarios that disturb it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

from confluent_kafka import Producer

from tests.bench.database import Database
from tests.bench.servers import PARTITIONS
from tests.bench.workload import messages
from tests.support.paths import CHECKOUT
from tests.support.waiting import until

MEMBERS: Final = 3
EVENTS_PER_S: Final = 600
_SEED: Final = 4


class Group:
    """The processes of one consumer group, started with the default settings, and their common log."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = {**os.environ, **environment}
        self._log = log
        self.members = [self.start() for _ in range(MEMBERS)]
        self.frozen: subprocess.Popen[bytes] | None = None

    @classmethod
    async def join(cls, bootstrap_servers: str, topic: str, database_url: str, log: Path) -> Self:
        """Start the members, which log to the file `log`, and wait until each has partitions."""
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "DATABASE_URL": database_url,
            "AGENT_RUNS_TOPIC": topic,
            "AGENT_RUNS_GROUP": topic,
        }
        group = cls(environment, log)
        try:
            await until(group._is_shared, "every member has partitions")
        except BaseException:
            await group.end()
            raise
        return group

    def start(self) -> "subprocess.Popen[bytes]":
        """A new process, not yet one of `members`."""
        command = [sys.executable, "-m", "consumer", "run"]
        with self._log.open("ab") as output:  # in append mode, because all members write to it
            return subprocess.Popen(command, cwd=CHECKOUT, env=self._environment, stderr=output)

    async def kill(self) -> None:
        """Kill one member."""
        self.members.pop(0).kill()

    async def freeze(self) -> None:
        """Stop one member with SIGSTOP. It does not continue."""
        self.frozen = self.members.pop(0)
        self.frozen.send_signal(signal.SIGSTOP)

    async def kill_and_restart(self) -> None:
        """Kill one member and start another."""
        self.members.pop(0).kill()
        self.members.append(self.start())

    async def add(self) -> None:
        """Start another member."""
        self.members.append(self.start())

    async def terminate(self) -> None:
        """End one member with SIGTERM."""
        member = self.members.pop(0)
        member.terminate()
        await asyncio.to_thread(member.wait)

    async def restart_all(self) -> None:
        """Terminate and replace the members one after the other, as an orchestrator does."""
        for _ in range(MEMBERS):
            await self.terminate()
            await self.add()
            await asyncio.sleep(2)

    async def pause(self, seconds: float) -> None:
        """Stop one member with SIGSTOP, and continue it after this time."""
        self.members[0].send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self.members[0].send_signal(signal.SIGCONT)

    async def end(self) -> None:
        """End all processes."""
        for member in [*self.members, *([self.frozen] if self.frozen else [])]:
            member.kill()
            await asyncio.to_thread(member.wait)

    def logged(self, action: str) -> int:
        """Return how many lines with this action the members have logged."""
        return self._log.read_text().count(f"action={action}")

    def _is_shared(self) -> bool:
        """Whether the latest assignments of the members together have all partitions."""
        assignments = [line for line in self._log.read_text().splitlines() if "action=assigned" in line]
        partitions = [line.rpartition("partitions=")[2].strip("[]").split(", ") for line in assignments[-MEMBERS:]]
        return len(partitions) == MEMBERS and len({number for own in partitions for number in own}) == PARTITIONS


def publish_steadily(bootstrap_servers: str, topic: str, seconds: float) -> int:
    """Publish `EVENTS_PER_S` events a second for this time. Returns the number of events."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 5, "log_level": 3})
    events = int(seconds * EVENTS_PER_S)
    began = time.monotonic()
    for number, message in enumerate(messages(_SEED, events)):
        if (ahead_s := number / EVENTS_PER_S - (time.monotonic() - began)) > 0:
            time.sleep(ahead_s)
        producer.produce(topic, message.value, message.run_id.encode())
        producer.poll(0)
    if unsent := producer.flush(60):
        raise TimeoutError(f"{unsent} messages were not acknowledged")
    return events


async def wait_until_stored(database: Database, events: int) -> None:
    """Wait until the table has this many events. Raises TimeoutError after the deadline of `until`."""

    async def are_stored() -> bool:
        [(stored, _)] = await database.fetch("stored_and_repeated")
        return bool(stored >= events)

    await until(are_stored, "every event is stored")
