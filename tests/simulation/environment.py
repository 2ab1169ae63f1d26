"""The models of one schedule together, and the patches that put them in place of the service's clients."""

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

from tests.simulation.event_loop import PROCESS
from tests.simulation.kafka.group import Group
from tests.simulation.kafka.topic import PartitionLog
from tests.simulation.postgres.server import Server
from tests.simulation.postgres.store import ModelStore

if TYPE_CHECKING:
    from tests.simulation.event_loop import VirtualLoop
    from tests.simulation.kafka.client import ModelConsumer

ONE_WAY_S = 0.003  # on average

ENVIRONMENT: ContextVar[Environment] = ContextVar("ENVIRONMENT")


class Environment:
    """Kafka, PostgreSQL and the group members of one schedule.

    Attributes:
        clients: the consumer clients that are running, of all processes.
        problems: the violations found so far.
        log_actions: the number of log lines of the service, by `action`.
        trace_lines: what happened, a line each; None if no trace is wanted.
        halted: the partitions that the service has logged as halted.
    """

    def __init__(self, loop: VirtualLoop, rng: Random, partitions: int) -> None:
        self._loop = loop
        self.rng = rng
        self.logs = [PartitionLog(number, rng.choice((0, 0, 7))) for number in range(partitions)]
        self.group = Group(partitions)
        ENVIRONMENT.set(self)  # before the server copies this context
        self.server = Server(rng)
        self.clients: list[ModelConsumer] = []
        self.problems: list[str] = []
        self.log_actions: Counter[str] = Counter()
        self.halted: set[int] = set()
        self.trace_lines: list[str] | None = None

    def trace(self, what: str) -> None:
        """Add a line to the trace, if there is one."""
        if self.trace_lines is not None:
            self.trace_lines.append(f"{self.now():8.3f} {PROCESS.get().name:12} {what}")

    def now(self) -> float:
        return self._loop.time()

    def timestamp(self) -> int:
        """The timestamp that the broker gives a record appended now, in milliseconds."""
        return 1_700_000_000_000 + int(self._loop.time() * 1000)

    async def network_delay(self) -> None:
        """Wait as long as a message to or from the broker takes."""
        await asyncio.sleep(self.rng.expovariate(1 / ONE_WAY_S))

    async def random_delay(self, bounds: tuple[float, float]) -> None:
        await asyncio.sleep(self.rng.uniform(*bounds))

    def require_broker(self) -> None:
        """Raises KafkaConnectionError if the broker does not answer."""
        if not self.group.available:
            raise KafkaConnectionError

    async def wait_for_broker(self) -> None:
        await self.network_delay()
        while not self.group.available:  # noqa: ASYNC110  # an event would miss a broker that leaves again at once
            await asyncio.sleep(0.1)


def current_environment() -> Environment:
    """The environment of the running code."""
    return ENVIRONMENT.get()


class _LogCounter:
    """Replaces a logger of the service: counts the lines by `action`."""

    def debug(self, event: str, *, action: str = "", **keys: Any) -> None:
        env = current_environment()
        env.log_actions[action] += 1
        if env.trace_lines is not None:
            env.trace(f"{event} {keys}")
        if action == "halted":
            env.halted.add(keys["partition"])

    info = warning = error = debug


async def _connect(config: Any, topic: str) -> ModelStore:
    return await ModelStore.open(current_environment().server, topic)


async def _partitions(*_: object, **__: object) -> list[int]:
    return [log.partition for log in current_environment().logs]


async def _accept_database(*_: object, **__: object) -> None:
    """Replaces `check_database`, which would query migrations and rights."""


async def _watch_nothing(*_: object) -> None:
    """Replaces `watch_topic`, which reads Kafka's protocol and changes nothing."""
    await asyncio.Event().wait()


class _NoGroupWatch:
    """Replaces `GroupWatch`: the model of the group has consumers only."""

    def __init__(self, *_: object) -> None: ...

    async def run(self) -> None:
        await asyncio.Event().wait()


@contextmanager
def simulated_clients() -> Iterator[None]:
    """Replace the clients, clocks and loggers that the service imports by the models, for the duration of the block."""
    from agent_runs import backoff
    from consumer import service
    from consumer.kafka import group_client, group_consumer, offset_committer, unreadable_records
    from consumer.lanes import failure_lines
    from consumer.partitions import ownership
    from consumer.postgres import store
    from consumer.runtime import retrying
    from consumer.telemetry import log_lines, state
    from tests.simulation.kafka.client import ModelConsumer
    from tests.simulation.kafka.topic_reader import ModelTopicReader

    time = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    with_logs = [failure_lines, group_consumer, log_lines, offset_committer, ownership, retrying, service, store]
    with_logs += [unreadable_records]
    replacements = {
        (service, "Store"): SimpleNamespace(connect=_connect),
        (service, "TopicReader"): ModelTopicReader,
        (service, "GroupWatch"): _NoGroupWatch,
        (service, "check_topic"): _partitions,
        (service, "check_database"): _accept_database,
        (service, "watch_topic"): _watch_nothing,
        (group_client, "ThrottledConsumer"): ModelConsumer,
        (backoff, "random"): SimpleNamespace(uniform=lambda low, high: current_environment().rng.uniform(low, high)),  # noqa: PLW0108  # the environment is set later
        (ownership, "time"): time,
        (state, "time"): time,
        **{(module, "_log"): _LogCounter() for module in with_logs},
    }
    originals = {(module, name): getattr(module, name) for module, name in replacements}
    try:
        for (module, name), model in replacements.items():
            setattr(module, name, model)
        yield
    finally:
        for (module, name), original in originals.items():
            setattr(module, name, original)
