"""One round: calm, an outage that everybody must notice, faults, and then everything must be as it was said to be."""

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
from tests.nemesis.faults.consumers import OfConsumers
from tests.nemesis.faults.kafka import OfKafka
from tests.nemesis.faults.operators import SMALL_BYTES, OfOperators
from tests.nemesis.faults.postgres import OfPostgres
from tests.nemesis.fleet import GRACE_S, RSS_BUDGET, SIZE, Fleet
from tests.nemesis.publishers import AGENT, PRODUCER, Speakers
from tests.nemesis.replays import consumed_again, consumed_elsewhere
from tests.nemesis.schedule import Nemesis, Target
from tests.nemesis.verdict import Evidence, judge
from tests.nemesis.world import Room, World
from tests.support.waiting import until

STARTS_WITHIN_S = 150.0
KEEPS_UP_WITHIN_S = 20.0
WATCHED_WITHIN_S = 180.0
SPARE_FILES = 4  # connections that are being made anew just then
REPLACE_AGENT_EVERY_S = 20.0


@dataclass(frozen=True)
class Plan:
    """What makes a round: the seed all that is drawn, the rest how long and how much."""

    seed: str
    calm_s: float
    hurt_s: float
    rate: float  # records a second
    elsewhere: bool  # consumed into a second database as well


@dataclass
class Outcome:
    """What came of it."""

    faults: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)
    worst: dict[str, tuple[float, float]] = field(default_factory=dict)  # what was measured, and its bound
    violations: list[str] = field(default_factory=list)

    def take(self, *problems: str | None) -> None:
        self.violations += filter(None, problems)


async def play(world: World, plan: Plan, directory: Path, pool: Executor) -> Outcome:
    """The whole round. What goes wrong with the machine itself is a violation too, and the servers are healed."""
    outcome = Outcome()
    try:
        async with world.room(directory.name, directory) as room:
            await _Round(world, plan, room, outcome).play(pool)
    except Exception:  # noqa: BLE001  # whatever it is: it is told, and the next round begins
        outcome.take(f"the round broke off: {traceback.format_exc()}")
        await heal(world)
    return outcome


async def heal(world: World) -> None:
    """Whatever a fault has left behind."""
    for wire in (world.kafka_wire, world.postgres_wire):
        wire.heal()
    for server in (world.kafka, world.postgres):
        if server.pid is not None:
            psutil.Process(server.pid).resume()
        else:
            await asyncio.to_thread(server.start)


class _Round:
    def __init__(self, world: World, plan: Plan, room: Room, outcome: Outcome) -> None:
        self._world = world
        self._plan = plan
        self._room = room
        self._outcome = outcome
        self._rng = Random(plan.seed)
        self._fleet = Fleet(room)
        self._speakers = Speakers(room, plan.seed, plan.rate)

    async def play(self, pool: Executor) -> None:
        """The phases, one after the other."""
        try:
            async with self._judged_all_along() as watch, self._watched():
                self._note("calm")
                calm_rate, files = await self._calm()
                self._note("outage")
                await self._outage()
                self._note("faults")
                hurt_rate = await self._hurt()
                self._note("recovery")
                await self._recover(calm_rate)
                self._note("all is stored")
                self._measure("L5 open files of a consumer", self._fleet.open_files(), files + SPARE_FILES)
                await self._fleet.end()
                await watch.caught_up(WATCHED_WITHIN_S)
            self._outcome.figures["snapshots judged"] += watch.snapshots
            self._outcome.take(*map(str, watch.violations))
        finally:
            self._speakers.kill()
            self._fleet.kill_all()
        share = hurt_rate / calm_rate
        self._outcome.worst["L6 throughput under faults, of the calm one"] = (share, liveness.LEAST_SHARE)
        self._outcome.take(liveness.too_slow(hurt_rate, calm_rate))
        self._measure("L4 end by SIGTERM, s", self._fleet.longest_end_s, GRACE_S)
        self._outcome.worst["L5 memory of a consumer, MiB"] = (self._fleet.rss / 2**20, RSS_BUDGET / 2**20)
        self._outcome.take(*self._fleet.findings, *self._fleet.unseen_errors())
        self._outcome.take(*await liveness.nothing_left(self._room))
        await self._judge(pool)

    def _note(self, what: str) -> None:
        """In the same clock as the lines of the consumers' logs."""
        now = datetime.now(UTC).strftime("%H:%M:%S.%f")
        with (self._room.wired.directory / "timeline.txt").open("a") as file:
            file.write(f"{now} {what}\n")

    def _judged_all_along(self) -> AbstractAsyncContextManager[Watch]:
        scene = self._room.direct
        return watching(scene.servers.bootstrap_servers, scene.topic, scene.database, max_event_bytes=SMALL_BYTES)

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        for _ in range(SIZE):
            self._fleet.join()
        await self._speakers.start()
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
            await self._speakers.replace_agent()

    async def _calm(self) -> tuple[float, int]:
        """Nothing is hurt: the throughput, and the elder's open files."""
        await asyncio.wait_for(self._room.direct.stores_more(int(self._plan.rate)), STARTS_WITHIN_S)
        with suppress(AssertionError):  # where the machine has too much other work, the rest has to do with a backlog
            await until(self._keeps_up, "the consumers keep up", KEEPS_UP_WITHIN_S)
        return await self._throughput(asyncio.sleep(self._plan.calm_s)), self._fleet.open_files()

    async def _keeps_up(self) -> bool:
        return await liveness.lag(self._room) < 2 * self._plan.rate

    async def _throughput(self, work: Awaitable[None]) -> float:
        began, before = monotonic(), await self._room.direct.stored()
        await work
        return (await self._room.direct.stored() - before) / (monotonic() - began)

    async def _outage(self) -> None:
        """PostgreSQL is away for longer than anybody may overlook, while records keep coming."""
        began = monotonic()
        await asyncio.to_thread(self._world.postgres.stop)
        self._outcome.faults["postgres away until all are red"] += 1
        self._outcome.take(await liveness.all_red(self._fleet, began))
        await asyncio.to_thread(self._world.postgres.start)
        await self._room.direct.stores_more()

    async def _hurt(self) -> float:
        """Safety: faults of all kinds."""
        room, world = self._room, self._world
        targets = [
            Target("kafka", OfKafka(world.kafka, world.kafka_wire).kinds(), 3),
            Target("postgres", OfPostgres(world.postgres, world.postgres_wire, room.direct.database).kinds(), 4),
            Target("consumer", OfConsumers(self._fleet).kinds(), 3),
        ]
        operators = OfOperators(room)
        # What an operator retries is not in the log: a second database would not have it.
        beside = [] if self._plan.elsewhere else [Target("operator", operators.kinds(), 1)]
        nemesis = Nemesis(targets, beside, self._rng, self._note)
        try:
            return await self._throughput(nemesis.hurt_until(monotonic() + self._plan.hurt_s))
        finally:
            self._outcome.faults.update(nemesis.done)
            self._outcome.take(*operators.findings)

    async def _recover(self, calm_rate: float) -> None:
        """Liveness: everything is well again, and so must everything become."""
        await heal(self._world)
        for member in self._fleet.members:
            member.consumer.signal(SIGCONT)
        began, backlog = monotonic(), await liveness.lag(self._room)
        await self._speakers.stop()
        bound = liveness.bound_s(backlog, calm_rate)
        problem = await liveness.catches_up(self._room, self._fleet, began + bound)
        self._outcome.worst["L1 lag 0 after the last fault, s"] = (monotonic() - began, bound)
        self._outcome.take(problem)
        if problem is None:
            self._outcome.take(await liveness.all_green(self._fleet))

    def _measure(self, what: str, value: float, bound: float) -> None:
        self._outcome.worst[what] = (value, bound)
        if value > bound:
            self._outcome.take(f"{what}: {value:g}, the bound is {bound:g}")

    async def _judge(self, pool: Executor) -> None:
        self._note("judgement")
        scene = self._room.direct
        evidence = Evidence(
            scene.servers.bootstrap_servers,
            scene.topic,
            scene.database,
            self._speakers.files(PRODUCER),
            self._speakers.files(AGENT),
            self._speakers.counts,
        )
        verdict = await asyncio.get_running_loop().run_in_executor(pool, judge, evidence)
        self._outcome.figures.update(verdict.figures)
        self._outcome.take(*verdict.violations)
        self._note("consuming again")
        self._outcome.take(*await consumed_again(self._room, self._rng))
        if self._plan.elsewhere:
            self._outcome.take(*await consumed_elsewhere(self._world, self._room))
        self._note("the end")
