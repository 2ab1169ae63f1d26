"""One round: calm, an outage, random faults, recovery, and the final checks."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from signal import SIGCONT
from time import monotonic

import psutil

from tests.checker import Watch, watching
from tests.nemesis import liveness
from tests.nemesis.check import Sources, check_replay, check_round, check_second_database
from tests.nemesis.environment import Endpoints, Environment
from tests.nemesis.faults.consumers import ConsumerFaults
from tests.nemesis.faults.kafka import KafkaFaults
from tests.nemesis.faults.operators import SMALL_BYTES, OperatorFaults
from tests.nemesis.faults.postgres import PostgresFaults
from tests.nemesis.fleet import RSS_BUDGET, SIZE, TERMINATES_WITHIN_S, Fleet
from tests.nemesis.publishers import AGENT, PRODUCER, Publishers
from tests.nemesis.schedule import Nemesis, Target
from tests.nemesis.standstill import Interval, Standstills
from tests.support.waiting import until

STARTS_WITHIN_S = 150.0
KEEPS_UP_WITHIN_S = 20.0
WATCHED_WITHIN_S = 180.0
SPARE_FILES = 4  # connections that are being reopened at that moment
REPLACE_AGENT_EVERY_S = 20.0


@dataclass(frozen=True)
class RoundPlan:
    """The parameters of a round. The seed determines all random choices."""

    seed: str
    calm_s: float
    faults_s: float
    rate: float  # records a second
    second_database: bool  # whether the log is also consumed into a second database (S15)


@dataclass
class RoundResult:
    """The result of a round.

    Attributes:
        faults: the number of injected faults, by kind.
        figures: the number of records, stored events and so on.
        measured: by the name of a measurement, its value and its bound.
        standstills: the longest time in which a partition's stored offset did not move although its log had more
            records, in seconds, by the fault that was the only one meanwhile.
        longest_standstill: the longest one in words, with all faults meanwhile.
    """

    faults: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)
    measured: dict[str, tuple[float, float]] = field(default_factory=dict)
    standstills: dict[str, float] = field(default_factory=dict)
    longest_standstill: str = ""
    violations: list[str] = field(default_factory=list)

    def add(self, *problems: str | None) -> None:
        self.violations += filter(None, problems)


async def play_round(env: Environment, plan: RoundPlan, directory: Path, pool: Executor) -> RoundResult:
    """Play a round. An error of the test tool itself is reported as a violation, and the servers are healed."""
    result = RoundResult()
    try:
        async with env.endpoints(directory.name, directory) as endpoints:
            await _Round(env, plan, endpoints, result).play(pool)
    except Exception:  # noqa: BLE001  # any error is reported, and the next round starts
        result.add(f"the round was aborted: {traceback.format_exc()}")
        await heal(env)
    return result


async def heal(env: Environment) -> None:
    """End all faults: heal the proxies, and resume or start the servers."""
    for proxy in (env.kafka_proxy, env.postgres_proxy):
        proxy.heal()
    for server in (env.kafka, env.postgres):
        if server.pid is not None:
            psutil.Process(server.pid).resume()
        else:
            await asyncio.to_thread(server.start)


class _Round:
    def __init__(self, env: Environment, plan: RoundPlan, endpoints: Endpoints, result: RoundResult) -> None:
        self._env = env
        self._plan = plan
        self._endpoints = endpoints
        self._result = result
        self._rng = Random(plan.seed)
        self._fleet = Fleet(endpoints)
        self._publishers = Publishers(endpoints, plan.seed, plan.rate)
        self._standstills = Standstills(endpoints)

    async def play(self, pool: Executor) -> None:
        """Play the phases: calm, outage, faults, recovery, checks."""
        try:
            async with self._continuously_checked() as watch, self._running():
                self._note("calm")
                calm_rate, files = await self._calm()
                self._note("outage")
                await self._outage()
                self._note("faults")
                async with self._standstills.measured():
                    faults_rate, injected = await self._inject_faults()
                    self._note("recovery")
                    await self._recover(calm_rate)
                self._result.standstills |= self._standstills.longest_by_fault(injected)
                self._result.longest_standstill = self._standstills.longest(injected)
                self._note("all records are stored")
                self._measure("L5 open files of a consumer", self._fleet.open_files(), files + SPARE_FILES)
                await self._fleet.end()
                await watch.caught_up(WATCHED_WITHIN_S)
            self._result.figures["snapshots checked"] += watch.snapshots
            self._result.add(*map(str, watch.violations))
        finally:
            self._publishers.kill()
            self._fleet.kill_all()
        share = faults_rate / calm_rate
        self._result.measured["L6 throughput under faults, as a share of the calm one"] = (share, liveness.LEAST_SHARE)
        self._result.add(liveness.too_slow(faults_rate, calm_rate))
        self._measure("L4 shutdown after SIGTERM, s", self._fleet.longest_shutdown_s, TERMINATES_WITHIN_S)
        self._result.measured["L5 memory of a consumer, MiB"] = (self._fleet.rss / 2**20, RSS_BUDGET / 2**20)
        self._result.add(*self._fleet.violations, *self._fleet.unseen_errors())
        self._result.add(*await liveness.leftovers(self._endpoints))
        await self._check(pool)

    def _note(self, what: str) -> None:
        """Add a line to the round's timeline, with the same clock as the consumers' logs."""
        now = datetime.now(UTC).strftime("%H:%M:%S.%f")
        with (self._endpoints.proxied.directory / "timeline.txt").open("a") as file:
            file.write(f"{now} {what}\n")

    def _continuously_checked(self) -> AbstractAsyncContextManager[Watch]:
        scene = self._endpoints.direct
        return watching(scene.servers.bootstrap_servers, scene.topic, scene.database, max_event_bytes=SMALL_BYTES)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        for _ in range(SIZE):
            self._fleet.join()
        await self._publishers.start()
        watching = [asyncio.create_task(self._fleet.watch()), asyncio.create_task(self._replace_agents())]
        try:
            yield
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def _replace_agents(self) -> None:
        while True:
            await asyncio.sleep(REPLACE_AGENT_EVERY_S)
            await self._publishers.replace_agent()

    async def _calm(self) -> tuple[float, int]:
        """Measure without faults. Returns the throughput in records a second, and the first consumer's open files."""
        await asyncio.wait_for(self._endpoints.direct.wait_for_more(int(self._plan.rate)), STARTS_WITHIN_S)
        with suppress(AssertionError):  # on a busy machine the round continues with a backlog
            await until(self._keeps_up, "the consumers keep up", KEEPS_UP_WITHIN_S)
        return await self._throughput(asyncio.sleep(self._plan.calm_s)), self._fleet.open_files()

    async def _keeps_up(self) -> bool:
        return await liveness.lag(self._endpoints) < 2 * self._plan.rate

    async def _throughput(self, work: Awaitable[None]) -> float:
        began, before = monotonic(), await self._endpoints.direct.consumed_records()
        await work
        return (await self._endpoints.direct.consumed_records() - before) / (monotonic() - began)

    async def _outage(self) -> None:
        """L3: stop PostgreSQL until each consumer reports that it is unhealthy, while records keep coming."""
        began = monotonic()
        await asyncio.to_thread(self._env.postgres.stop)
        self._result.faults["postgres stopped until all consumers are unhealthy"] += 1
        self._result.add(await liveness.all_unhealthy(self._fleet, began))
        await asyncio.to_thread(self._env.postgres.start)
        await self._endpoints.direct.wait_for_more()

    async def _inject_faults(self) -> tuple[float, list[tuple[str, Interval]]]:
        """Safety: inject faults of all kinds. Returns the throughput in records a second, and the faults."""
        endpoints, env = self._endpoints, self._env
        targets = [
            Target("kafka", KafkaFaults(env.kafka, env.kafka_proxy, endpoints.direct).kinds(), 3),
            Target("postgres", PostgresFaults(env.postgres, env.postgres_proxy, endpoints.direct.database).kinds(), 4),
            Target("consumer", ConsumerFaults(self._fleet).kinds(), 3),
        ]
        operators = OperatorFaults(endpoints)
        # Retries are not in the log, so a second database would not have their events.
        independent = [] if self._plan.second_database else [Target("operator", operators.kinds(), 1)]
        nemesis = Nemesis(targets, independent, self._rng, self._note)
        try:
            rate = await self._throughput(nemesis.inject_until(monotonic() + self._plan.faults_s))
            return rate, nemesis.injected
        finally:
            self._result.faults.update(nemesis.counts)
            self._result.add(*operators.violations)

    async def _recover(self, calm_rate: float) -> None:
        """Liveness: end all faults, and wait until the backlog is stored and all consumers are healthy."""
        await heal(self._env)
        for member in self._fleet.members:
            member.consumer.signal(SIGCONT)
        began, backlog = monotonic(), await liveness.lag(self._endpoints)
        await self._publishers.stop()
        bound = liveness.bound_s(backlog, calm_rate)
        problem = await liveness.catches_up(self._endpoints, self._fleet, began + bound)
        self._result.measured["L1 lag 0 after the last fault, s"] = (monotonic() - began, bound)
        self._result.add(problem)
        if problem is None:
            self._result.add(await liveness.all_healthy(self._fleet))

    def _measure(self, what: str, value: float, bound: float) -> None:
        self._result.measured[what] = (value, bound)
        if value > bound:
            self._result.add(f"{what}: {value:g} exceeds the bound of {bound:g}")

    async def _check(self, pool: Executor) -> None:
        self._note("check")
        scene = self._endpoints.direct
        sources = Sources(
            scene.servers.bootstrap_servers,
            scene.topic,
            scene.database,
            self._publishers.files(PRODUCER),
            self._publishers.files(AGENT),
            self._publishers.counts,
        )
        result = await asyncio.get_running_loop().run_in_executor(pool, check_round, sources)
        self._result.figures.update(result.figures)
        self._result.add(*result.violations)
        self._note("replay")
        self._result.add(*await check_replay(self._endpoints, self._rng))
        if self._plan.second_database:
            self._result.add(*await check_second_database(self._env, self._endpoints))
        self._note("end")
