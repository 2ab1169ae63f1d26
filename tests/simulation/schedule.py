"""Plays one seed: safety while faults are injected, then liveness without faults."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from consumer.settings import Config
from tests.simulation.check import stored_up_to, violations, watch_commits
from tests.simulation.consumers import ConsumerProcess, config
from tests.simulation.environment import Environment
from tests.simulation.event_loop import NoProgress, VirtualLoop
from tests.simulation.faults import MAX_CONSUMERS, FaultInjector
from tests.simulation.kafka.topic import PartitionLog
from tests.simulation.workload import messages, publish

BETWEEN_FAULTS_S = (0.0, 0.6)
CHECK_PROBABILITY = 0.15  # of a check of the tables after a fault
# From the last fault to lag 0: a session timeout, the longest backoff, and the time to detect a broken client.
DRAINED_WITHIN_S = 30.0
RESUMED_FOR_S = 1.0  # how long processes that were frozen to the end run before they are stopped
ENDED_WITHIN_S = 8.0
CONNECTIONS_END_WITHIN_S = 60.0
MAX_PROBLEMS = 5


@dataclass
class Result:
    """The result of one schedule.

    Attributes:
        problems: the violations that were found.
        fingerprint: equal for two runs of the same callbacks in the same order.
        records: the number of log entries.
        virtual_s: the duration in virtual time.
        faults: the number of injected faults, by kind.
        log_actions: the number of the service's log lines, by `action`.
    """

    seed: int
    problems: list[str]
    fingerprint: int = 0
    records: int = 0
    virtual_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    log_actions: Counter[str] = field(default_factory=Counter)


def play(seed: int, trace: list[str] | None = None) -> Result:
    """Play the seed's schedule inside of `simulated_clients`; append what happens to `trace`, if one is given."""
    rng = Random(seed)
    loop = VirtualLoop(rng)  # type: ignore[abstract]  # it implements only what the service needs
    result = Result(seed, [])
    try:
        loop.run(Schedule(loop, rng, result).run(trace))
    except NoProgress as error:
        result.problems.append(f"no progress: {error}")
    result.fingerprint = loop.fingerprint
    result.virtual_s = loop.time()
    return result


class Schedule:
    """The consumers of one schedule, and its phases: faults, recovery, shutdown, check."""

    def __init__(self, loop: VirtualLoop, rng: Random, result: Result) -> None:
        self._loop = loop
        self._rng = rng
        self._result = result
        self._processes: list[ConsumerProcess] = []
        self._config = _draw_config(rng)
        self.env: Environment

    async def run(self, trace: list[str] | None) -> None:
        self.env = Environment(self._loop, self._rng, self._rng.choice((1, 1, 2, 2, 3, 4)))
        self.env.trace_lines = trace
        watch_commits(self.env)
        faults = FaultInjector(self, losses=self._rng.random() < 0.15)
        background = [asyncio.create_task(work) for work in (self.env.group.watch(), self.env.server.watch())]
        await self._run_with_faults(faults)
        faults.heal()
        self.env.trace("healed")
        await self._drain()
        if any(process.frozen for process in self.running):
            faults.resume_all()
            await asyncio.sleep(RESUMED_FOR_S)
        await self._stop_all()
        for task in background:
            task.cancel()
        self._report(faults)

    async def _run_with_faults(self, faults: FaultInjector) -> None:
        planned = messages(self._rng, self._rng.randint(20, 60))
        before_start = self._rng.choice((0, len(planned) // 2, len(planned)))
        publishing = asyncio.create_task(publish(self.env, planned, before_start))
        for _ in range(self._rng.choice((1, 2, 2, 3))):
            self.start()
        for _ in range(self._rng.randint(0, 8)):
            await self.env.random_delay(BETWEEN_FAULTS_S)
            faults.inject()
            if self._rng.random() < CHECK_PROBABILITY:
                self._check(finished=False)
        await publishing

    async def _drain(self) -> None:
        """L1: all records are stored, and a partition with lost records is halted."""
        if await self._until(lambda: all(map(self._is_done, self.env.logs)), DRAINED_WITHIN_S):
            return
        for log in self.env.logs:
            if not self._is_done(log):
                stored = f"{stored_up_to(self.env, log)}, its log is {log.start_offset} to {log.end_offset}"
                self.env.problems.append(f"L1: partition {log.partition} is stored up to {stored}")

    def _is_done(self, log: PartitionLog) -> bool:
        stored = stored_up_to(self.env, log)
        if stored is None:
            return False
        return stored == log.end_offset or (_is_lost(log, stored) and log.partition in self.env.halted)

    async def _stop_all(self) -> None:
        """L4, L5: every process ends after SIGTERM, and leaves no connection and no lock."""
        for process in self.running:
            process.terminate()
        await self._until(lambda: not self.running, ENDED_WITHIN_S)
        self.env.problems += [f"L4: {process.name} has not ended" for process in self.running]
        # Messages under way to a slow server arrive late.
        await self._until(lambda: not self.env.server.backends, CONNECTIONS_END_WITHIN_S)
        if self.env.server.backends or self.env.server.tables.locks:
            self.env.problems.append(f"L5: connections {list(self.env.server.backends)} are left")

    async def _until(self, condition: Callable[[], bool], within_s: float) -> bool:
        until = self.env.now() + within_s
        while not condition() and self.env.now() < until:  # noqa: ASYNC110  # there is no single event to wait for
            await asyncio.sleep(0.05)
        return condition()

    def _report(self, faults: FaultInjector) -> None:
        env = self.env
        for process in self._processes:
            if process.error is not None:
                env.problems.append(f"{process.name} ended with {process.error!r}")
        lost = any(_is_lost(log, stored_up_to(env, log) or 0) for log in env.logs)
        self._check(finished=not lost and not any(log.truncated for log in env.logs))
        result = self._result
        result.problems += env.problems[:MAX_PROBLEMS]
        result.records = sum(len(log.entries) for log in env.logs)
        result.faults, result.log_actions = faults.counts, env.log_actions

    def _check(self, *, finished: bool) -> None:
        self.env.problems += map(str, violations(self.env, finished=finished)[:MAX_PROBLEMS])

    @property
    def running(self) -> list[ConsumerProcess]:
        return [process for process in self._processes if not process.ended]

    def start(self) -> None:
        """Start one more consumer, unless MAX_CONSUMERS run."""
        if len(self.running) < MAX_CONSUMERS:
            name = f"consumer {len(self._processes)}"
            self._processes.append(ConsumerProcess(name, self._loop, self.env, self._config))


def _is_lost(log: PartitionLog, stored: int) -> bool:
    return not log.start_offset <= stored <= log.end_offset


def _draw_config(rng: Random) -> Config:
    return config(
        lanes=rng.randint(1, 3), batch_records=rng.choice((1, 2, 5, 20)), batch_bytes=rng.choice((1_024, 3_000, 60_000))
    )
