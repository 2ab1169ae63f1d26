"""What goes wrong. Each fault is one method; which, when and for how long is drawn."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from aiokafka.errors import (
    CorruptRecordException,
    GroupAuthorizationFailedError,
    KafkaError,
    NotLeaderForPartitionError,
    RequestTimedOutError,
)

from tests.simulation.processes import Process
from tests.simulation.verdict import stored_up_to
from tests.simulation.virtual import Turns
from tests.simulation.world import World

AT_MOST = 5  # processes at once
STATEMENT_TROUBLES = ("cancelled", "lost before", "lost after")
# A process that is killed while PostgreSQL executes one of these, or frozen then, has not heard what came of it.
STEPS = (
    *("BEGIN", "move_offsets", "look_up", "insert_runs", "lock_runs", "COPY", "COPY", "COPY data", "update_runs"),
    *("insert_dead_letters", "COMMIT", "COMMIT", "ROLLBACK", "offsets", "begin_partitions", "refused_values"),
)
FETCH_TROUBLES: tuple[type[KafkaError], ...] = (
    *(RequestTimedOutError, NotLeaderForPartitionError, CorruptRecordException),
    GroupAuthorizationFailedError,
)


class Fleet(Protocol):
    """The processes of a schedule."""

    world: World

    @property
    def running(self) -> list[Process]: ...

    def start(self) -> None: ...


class Nemesis:
    """Strikes, and takes back what it has done.

    Attributes:
        done: how often it did what.
    """

    def __init__(self, fleet: Fleet, *, losses: bool) -> None:
        self._fleet = fleet
        self._world = fleet.world
        self._rng = fleet.world.rng
        self._pending: list[asyncio.Task[None]] = []
        self.done: Counter[str] = Counter()
        self._kinds: list[Callable[[], Any]] = [
            *(self.kill, self.kill_at_a_step, self.kill_at_a_step, self.freeze, self.freeze_at_a_step),
            *(self.freeze_at_a_step, self.stop_in_order, self.join, self.rebalance),
            *(self.broker_away, self.fetch_fails, self.database_away, self.read_only, self.slow_database),
            *(self.backend_killed, self.statement_fails, self.commit_unanswered, self.commit_unanswered),
            *(self.retention,),
            *((self.log_lost, self.log_truncated) if losses else ()),
        ]

    def strike(self) -> None:
        """One fault."""
        kind = self._rng.choice(self._kinds)
        self.done[kind.__name__] += 1
        self._world.tell(kind.__name__)
        kind()

    def heal(self) -> None:
        """Nothing is wrong any more; but a process that was frozen may stay so, if there are others."""
        for task in self._pending:
            task.cancel()
        world = self._world
        world.group.set_available(True)
        world.server.available, world.server.read_only, world.server.slowness = True, False, 1.0
        world.server.armed.clear()
        if self._rng.random() < 0.5:
            world.server.at_commit.clear()  # else the next few are still hit: each is a fault that ends with itself
        world.server.traps.clear()
        for client in world.clients:
            client.troubles.clear()
        if self._rng.random() < 0.5:
            self.thaw_all()
        if all(process.frozen or process.stopping for process in self._fleet.running):
            self._fleet.start()

    def thaw_all(self) -> None:
        for process in self._fleet.running:
            process.frozen = False

    # --- processes ---

    def kill(self) -> None:
        if process := self._one():
            self._kill(process)

    def kill_at_a_step(self) -> None:
        self._world.server.traps[self._rng.choice(STEPS)] = self._kill

    def freeze(self) -> None:
        if process := self._one():
            self._freeze(process)

    def freeze_at_a_step(self) -> None:
        self._world.server.traps[self._rng.choice(STEPS)] = self._freeze

    def _kill(self, process: Turns) -> None:
        assert isinstance(process, Process)
        process.kill()
        self._later((0.0, 2.0), self._fleet.start)

    def _freeze(self, process: Turns) -> None:
        process.frozen = True

        def thaw() -> None:
            process.frozen = False

        self._later(self._rng.choice(((0.02, 0.5), (1.2, 4.0))), thaw)

    def stop_in_order(self) -> None:
        if process := self._one():
            process.terminate()
            self._later((0.0, 2.0), self._fleet.start)

    def join(self) -> None:
        self._fleet.start()

    # --- Kafka ---

    def rebalance(self) -> None:
        self._world.group.rebalance()

    def broker_away(self) -> None:
        self._world.group.set_available(False)
        self._later((0.05, 2.5), lambda: self._world.group.set_available(True))

    def fetch_fails(self) -> None:
        if self._world.clients:
            client = self._rng.choice(self._world.clients)
            client.troubles += [self._rng.choice(FETCH_TROUBLES)()] * self._rng.choice((1, 1, 3))

    def retention(self) -> None:
        """Takes what is stored."""
        log = self._rng.choice(self._world.logs)
        if (stored := stored_up_to(self._world, log)) is not None:
            log.delete_before(stored - self._rng.randint(0, 2))

    def log_lost(self) -> None:
        """Retention that takes what is not stored yet."""
        log = self._rng.choice(self._world.logs)
        if (stored := stored_up_to(self._world, log)) is not None:
            log.delete_before(stored + self._rng.randint(1, 30))

    def log_truncated(self) -> None:
        """An unclean election that takes what is stored."""
        log = self._rng.choice(self._world.logs)
        stored = stored_up_to(self._world, log)
        if stored is not None and stored > log.first:
            log.truncate(max(log.first, stored - self._rng.randint(1, 10)))

    # --- PostgreSQL ---

    def database_away(self) -> None:
        self._world.server.stop()
        self._later((0.02, 2.0), lambda: setattr(self._world.server, "available", True))

    def read_only(self) -> None:
        self._world.server.read_only = True
        self._later((0.02, 1.0), lambda: setattr(self._world.server, "read_only", False))

    def slow_database(self) -> None:
        self._world.server.slowness = self._rng.choice((10.0, 50.0, 500.0))
        self._later((0.05, 1.0), lambda: setattr(self._world.server, "slowness", 1.0))

    def backend_killed(self) -> None:
        if self._world.server.backends:
            self._world.server.backends[self._rng.choice(list(self._world.server.backends))].end()

    def statement_fails(self) -> None:
        self._world.server.armed += [self._rng.choice(STATEMENT_TROUBLES)] * self._rng.choice((1, 1, 4))

    def commit_unanswered(self) -> None:
        self._world.server.at_commit += [self._rng.choice(STATEMENT_TROUBLES[1:])] * self._rng.choice((1, 1, 4))

    # --- how ---

    def _one(self) -> Process | None:
        able = [process for process in self._fleet.running if not process.frozen]
        return self._rng.choice(able) if able else None

    def _later(self, within_s: tuple[float, float], work: Callable[[], None]) -> None:
        self._pending.append(asyncio.create_task(_after(self._rng.uniform(*within_s), work)))


async def _after(delay_s: float, work: Callable[[], None]) -> None:
    await asyncio.sleep(delay_s)
    work()
