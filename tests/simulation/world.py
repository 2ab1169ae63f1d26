"""The models put together, and put in place of what the service imports."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaConnectionError

from tests.simulation.group import Group
from tests.simulation.store import ModelStore, Server
from tests.simulation.topic import PartitionLog
from tests.simulation.virtual import TURNS

if TYPE_CHECKING:
    from tests.simulation.client import ModelConsumer
    from tests.simulation.virtual import VirtualLoop

ONE_WAY_S = 0.003  # on average

WORLD: ContextVar[World] = ContextVar("WORLD")


class World:
    """Kafka, PostgreSQL and the consumers of one schedule.

    Attributes:
        clients: the members of the group that are running, whoever they belong to.
        problems: what nobody should ever have seen.
        said: how often the service said what, by the action of its log lines.
        story: what happened, if anybody wants to read it.
        halted: the partitions of which the service has said that they wait for an operator.
    """

    def __init__(self, loop: VirtualLoop, rng: Random, partitions: int) -> None:
        self._loop = loop
        self.rng = rng
        self.logs = [PartitionLog(number, rng.choice((0, 0, 7))) for number in range(partitions)]
        self.group = Group(partitions)
        WORLD.set(self)  # before the server takes its context from here
        self.server = Server(rng)
        self.clients: list[ModelConsumer] = []
        self.problems: list[str] = []
        self.said: Counter[str] = Counter()
        self.halted: set[int] = set()
        self.story: list[str] | None = None

    def tell(self, what: str) -> None:
        """For whoever wants to read what happened in a schedule."""
        if self.story is not None:
            self.story.append(f"{self.now():8.3f} {TURNS.get().name:12} {what}")

    def now(self) -> float:
        return self._loop.time()

    def timestamp(self) -> int:
        """What the broker writes on a record that comes now."""
        return 1_700_000_000_000 + int(self._loop.time() * 1000)

    async def hop(self) -> None:
        """The time that a message to or from the broker is under way."""
        await asyncio.sleep(self.rng.expovariate(1 / ONE_WAY_S))

    async def pause(self, bounds: tuple[float, float]) -> None:
        await asyncio.sleep(self.rng.uniform(*bounds))

    def require_broker(self) -> None:
        """Raises KafkaConnectionError: it does not answer."""
        if not self.group.available:
            raise KafkaConnectionError

    async def broker_back(self) -> None:
        await self.hop()
        while not self.group.available:  # noqa: ASYNC110  # it comes back as often as it goes away
            await asyncio.sleep(0.1)


def the_world() -> World:
    """The one that the running code is in."""
    return WORLD.get()


class _Log:
    """In place of a logger: only counts."""

    def debug(self, event: str, *, action: str = "", **keys: Any) -> None:
        world = the_world()
        world.said[action] += 1
        if world.story is not None:
            world.tell(f"{event} {keys}")
        if action == "halted":
            world.halted.add(keys["partition"])

    info = warning = error = debug


async def _connect(config: Any, topic: str) -> ModelStore:
    return await ModelStore.open(the_world().server, topic)


async def _partitions(*_: object) -> list[int]:
    return [log.partition for log in the_world().logs]


async def _right(*_: object) -> None:
    """The schema is."""


@contextmanager
def in_place() -> Iterator[None]:
    """While it lasts, what the service imports is the models."""
    from agent_runs import backoff
    from consumer import service
    from consumer.kafka import group_consumer as source
    from consumer.lanes import recovery as remedies
    from consumer.partitions import ownership
    from consumer.runtime import retrying as patience
    from consumer.telemetry import observer as observe
    from tests.simulation.client import ModelConsumer, ModelLog

    time = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    stand_ins = {
        (service, "Store"): SimpleNamespace(connect=_connect),
        (service, "TopicReader"): ModelLog,
        (service, "check_topic"): _partitions,
        (service, "check_schema"): _right,
        (source, "AIOKafkaConsumer"): ModelConsumer,
        (backoff, "random"): SimpleNamespace(uniform=lambda low, high: the_world().rng.uniform(low, high)),  # noqa: PLW0108  # not yet
        (ownership, "time"): time,
        (observe, "time"): time,
        **{(module, "_log"): _Log() for module in (observe, ownership, patience, remedies, service, source)},
    }
    originals = {(module, name): getattr(module, name) for module, name in stand_ins}
    try:
        for (module, name), model in stand_ins.items():
            setattr(module, name, model)
        yield
    finally:
        for (module, name), original in originals.items():
            setattr(module, name, original)
