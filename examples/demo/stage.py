"""Everything that the show needs, made ready: database, topic, consumers, producer, books."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from rich.console import Console

from deploy.local import LocalStack
from examples.demo.books import Books, create_database, open_books
from examples.demo.fleet import Fleet
from examples.demo.group import open_group
from examples.demo.live import LiveScreen
from examples.demo.opening import step
from examples.demo.publisher import Publisher
from examples.demo.screen import PlainScreen, Screen
from examples.demo.service import Service

TOPIC = "run-events-demo"
GROUP = "agent-runs-demo"
DATABASE = "agent_runs_demo"
PARTITIONS = 6
CONSUMERS = 2
# Kafka gives a killed consumer's partitions away when it has not heard of it for so long. In production 30 s, which
# nobody would watch.
SESSION_TIMEOUT_S = 3
GIVE_UP_S = 20  # of a command, when Kafka or PostgreSQL don't answer


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how much.

    Attributes:
        conversations: what users and clocks begin; the child runs come on top.
        begin_within_s: over how many seconds they begin. The last one takes some seconds more.
    """

    conversations: int
    begin_within_s: float

    # Parts of `begin_within_s`: late enough to hit many runs in the middle, early enough to see what follows.
    kill_after: float = 0.3
    replace_after: float = 0.45
    intrude_after: float = 0.8


@dataclass(frozen=True, slots=True)
class Stage:
    """What the show plays with."""

    plan: Plan
    books: Books
    publisher: Publisher
    fleet: Fleet
    screen: Screen

    def now(self) -> datetime:
        """The time by our own clock, which is the broker's too."""
        return datetime.now(UTC)

    async def wait(self, part: float) -> None:
        """Wait for this part of the time within which the agents begin."""
        await asyncio.sleep(self.plan.begin_within_s * part)


async def prepare(stack: LocalStack, logs: Path) -> Service:
    """Make the database and the topic, with the commands that an operator would use."""
    await create_database(stack.postgres.url)
    service = Service(_settings(stack), logs)
    await service.command("migrate")
    await service.command("create-topic", "--partitions", str(PARTITIONS))
    return service


@asynccontextmanager
async def open_stage(plan: Plan, service: Service, console: Console) -> AsyncIterator[Stage]:
    """A stage with two consumers that share the partitions. Nothing of it is left at the end."""
    kafka, database_url = service.settings["KAFKA_BOOTSTRAP_SERVERS"], service.settings["DATABASE_URL"]
    async with AsyncExitStack() as stack:
        books = await stack.enter_async_context(open_books(database_url, kafka, TOPIC, PARTITIONS))
        publisher = await stack.enter_async_context(Publisher(kafka, TOPIC))
        group = await stack.enter_async_context(open_group(kafka, GROUP))
        fleet = await stack.enter_async_context(Fleet(service, group))
        with step(console, "Starting two consumers: `consumer run`"):
            for _ in range(CONSUMERS):
                await fleet.start()
            await fleet.settled()
        screen = LiveScreen(console) if console.is_interactive else PlainScreen(console)
        yield Stage(plan, books, publisher, fleet, screen)


def _settings(stack: LocalStack) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": stack.kafka.bootstrap_servers,
        "DATABASE_URL": urlunsplit(urlsplit(stack.postgres.url)._replace(path=f"/{DATABASE}")),
        "AGENT_RUNS_TOPIC": TOPIC,
        "AGENT_RUNS_GROUP": GROUP,
        "AGENT_RUNS_SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
        "AGENT_RUNS_GIVE_UP_S": str(GIVE_UP_S),
    }
