"""The faults of a schedule: each is one method. The kind, the time and the duration are drawn."""

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
    UnknownError,
)

from tests.simulation.check import stored_up_to
from tests.simulation.consumers import ConsumerProcess
from tests.simulation.environment import Environment
from tests.simulation.event_loop import Process

MAX_CONSUMERS = 5  # processes at once
STATEMENT_FAULTS = ("cancelled", "lost before", "lost after")
# A process that is killed or frozen while PostgreSQL executes one of these statements does not get the result.
STEPS = (
    *("BEGIN", "move_offsets", "look_up", "insert_runs", "lock_runs", "COPY", "COPY", "COPY data", "update_runs"),
    *("insert_dead_letters", "COMMIT", "COMMIT", "ROLLBACK", "offsets", "begin_partitions", "refused_values"),
)
FETCH_ERRORS: tuple[type[KafkaError], ...] = (
    *(RequestTimedOutError, NotLeaderForPartitionError, CorruptRecordException),
    *(GroupAuthorizationFailedError, UnknownError),
)


class Consumers(Protocol):
    """The processes of a schedule."""

    env: Environment

    @property
    def running(self) -> list[ConsumerProcess]: ...

    def start(self) -> None: ...


class FaultInjector:
    """Injects faults, and ends them.

    Attributes:
        counts: the number of injected faults, by kind.
    """

    def __init__(self, consumers: Consumers, *, losses: bool) -> None:
        self._consumers = consumers
        self._env = consumers.env
        self._rng = consumers.env.rng
        self._pending: list[asyncio.Task[None]] = []
        self.counts: Counter[str] = Counter()
        self._kinds: list[Callable[[], Any]] = [
            *(self.kill, self.kill_at_a_step, self.kill_at_a_step, self.freeze, self.freeze_at_a_step),
            *(self.freeze_at_a_step, self.terminate, self.start_consumer, self.rebalance),
            *(self.broker_unavailable, self.fetch_fails, self.database_unavailable, self.read_only, self.slow_database),
            *(self.backend_killed, self.statement_fails, self.commit_unanswered, self.commit_unanswered),
            *(self.retention,),
            *((self.log_lost, self.log_truncated) if losses else ()),
        ]

    def inject(self) -> None:
        """Inject one fault."""
        kind = self._rng.choice(self._kinds)
        self.counts[kind.__name__] += 1
        self._env.trace(kind.__name__)
        kind()

    def heal(self) -> None:
        """End all faults. A frozen process may stay frozen, if others run."""
        for task in self._pending:
            task.cancel()
        env = self._env
        env.group.set_available(True)
        env.server.available, env.server.read_only, env.server.slowness = True, False, 1.0
        env.server.statement_faults.clear()
        if self._rng.random() < 0.5:
            env.server.commit_faults.clear()  # otherwise they hit the next COMMITs; each ends on its own
        env.server.step_faults.clear()
        for client in env.clients:
            client.fetch_errors.clear()
        if self._rng.random() < 0.5:
            self.resume_all()
        if all(process.frozen or process.stopping for process in self._consumers.running):
            self._consumers.start()

    def resume_all(self) -> None:
        for process in self._consumers.running:
            process.frozen = False

    # --- processes ---

    def kill(self) -> None:
        if process := self._pick():
            self._kill(process)

    def kill_at_a_step(self) -> None:
        self._env.server.step_faults[self._rng.choice(STEPS)] = self._kill

    def freeze(self) -> None:
        if process := self._pick():
            self._freeze(process)

    def freeze_at_a_step(self) -> None:
        self._env.server.step_faults[self._rng.choice(STEPS)] = self._freeze

    def _kill(self, process: Process) -> None:
        assert isinstance(process, ConsumerProcess)
        process.kill()
        self._schedule((0.0, 2.0), self._consumers.start)

    def _freeze(self, process: Process) -> None:
        process.frozen = True

        def resume() -> None:
            process.frozen = False

        self._schedule(self._rng.choice(((0.02, 0.5), (1.2, 4.0))), resume)

    def terminate(self) -> None:
        if process := self._pick():
            process.terminate()
            self._schedule((0.0, 2.0), self._consumers.start)

    def start_consumer(self) -> None:
        self._consumers.start()

    # --- Kafka ---

    def rebalance(self) -> None:
        self._env.group.rebalance()

    def broker_unavailable(self) -> None:
        self._env.group.set_available(False)
        self._schedule((0.05, 2.5), lambda: self._env.group.set_available(True))

    def fetch_fails(self) -> None:
        if self._env.clients:
            client = self._rng.choice(self._env.clients)
            client.fetch_errors += [self._rng.choice(FETCH_ERRORS)()] * self._rng.choice((1, 1, 3))

    def retention(self) -> None:
        """Retention deletes records that are stored."""
        log = self._rng.choice(self._env.logs)
        if (stored := stored_up_to(self._env, log)) is not None:
            log.delete_before(stored - self._rng.randint(0, 2))

    def log_lost(self) -> None:
        """Retention deletes records that are not stored yet."""
        log = self._rng.choice(self._env.logs)
        if (stored := stored_up_to(self._env, log)) is not None:
            log.delete_before(stored + self._rng.randint(1, 30))

    def log_truncated(self) -> None:
        """An unclean leader election removes records that are stored."""
        log = self._rng.choice(self._env.logs)
        stored = stored_up_to(self._env, log)
        if stored is not None and stored > log.base_offset:
            log.truncate(max(log.base_offset, stored - self._rng.randint(1, 10)))

    # --- PostgreSQL ---

    def database_unavailable(self) -> None:
        self._env.server.stop()
        self._schedule((0.02, 2.0), lambda: setattr(self._env.server, "available", True))

    def read_only(self) -> None:
        self._env.server.read_only = True
        self._schedule((0.02, 1.0), lambda: setattr(self._env.server, "read_only", False))

    def slow_database(self) -> None:
        self._env.server.slowness = self._rng.choice((10.0, 50.0, 500.0))
        self._schedule((0.05, 1.0), lambda: setattr(self._env.server, "slowness", 1.0))

    def backend_killed(self) -> None:
        if self._env.server.backends:
            self._env.server.backends[self._rng.choice(list(self._env.server.backends))].end()

    def statement_fails(self) -> None:
        self._env.server.statement_faults += [self._rng.choice(STATEMENT_FAULTS)] * self._rng.choice((1, 1, 4))

    def commit_unanswered(self) -> None:
        self._env.server.commit_faults += [self._rng.choice(STATEMENT_FAULTS[1:])] * self._rng.choice((1, 1, 4))

    # --- helpers ---

    def _pick(self) -> ConsumerProcess | None:
        able = [process for process in self._consumers.running if not process.frozen]
        return self._rng.choice(able) if able else None

    def _schedule(self, within_s: tuple[float, float], work: Callable[[], None]) -> None:
        self._pending.append(asyncio.create_task(_after(self._rng.uniform(*within_s), work)))


async def _after(delay_s: float, work: Callable[[], None]) -> None:
    await asyncio.sleep(delay_s)
    work()
