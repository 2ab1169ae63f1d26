"""One seed, from its first record to the verdict: first safety under faults, then liveness without."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from consumer.config import Config
from tests.simulation.nemesis import AT_MOST, Nemesis
from tests.simulation.processes import Process, config
from tests.simulation.topic import PartitionLog
from tests.simulation.verdict import stored_up_to, violations, watch_commits
from tests.simulation.virtual import NothingLeft, VirtualLoop
from tests.simulation.workload import messages, publish
from tests.simulation.world import World

CALM_S = (0.0, 0.6)  # between two faults
LOOK_ODDS = 0.15  # that the tables are judged after a fault
# After the last fault: a session, the longest back-off, and the time to find a client broken.
DRAINED_WITHIN_S = 30.0
ZOMBIES_WAKE_S = 1.0
ENDED_WITHIN_S = 8.0
CUT_OFF_WITHIN_S = 60.0
SHOWN = 5


@dataclass
class Outcome:
    """What became of a schedule.

    Attributes:
        problems: what must not have happened; none, one hopes.
        fingerprint: equal for two runs that were the same to the last turn.
        faults: how many, by kind.
        said: what the service had to do, by the action of its log lines.
    """

    seed: int
    problems: list[str]
    fingerprint: int = 0
    records: int = 0
    virtual_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)


def play(seed: int, story: list[str] | None = None) -> Outcome:
    """Run the seed's schedule, and write its story if one is given; `in_place` must hold."""
    rng = Random(seed)
    loop = VirtualLoop(rng)  # type: ignore[abstract]  # it has no more than the service asks for
    outcome = Outcome(seed, [])
    try:
        loop.run(Schedule(loop, rng, outcome).run(story))
    except NothingLeft as error:
        outcome.problems.append(f"everybody waits for ever, {error}")
    outcome.fingerprint = loop.fingerprint
    outcome.virtual_s = loop.time()
    return outcome


class Schedule:
    """The processes of one schedule, and what is done to them."""

    def __init__(self, loop: VirtualLoop, rng: Random, outcome: Outcome) -> None:
        self._loop = loop
        self._rng = rng
        self._outcome = outcome
        self._processes: list[Process] = []
        self._config = _draw_config(rng)
        self.world: World

    async def run(self, story: list[str] | None) -> None:
        self.world = World(self._loop, self._rng, self._rng.choice((1, 1, 2, 2, 3, 4)))
        self.world.story = story
        watch_commits(self.world)
        nemesis = Nemesis(self, losses=self._rng.random() < 0.15)
        background = [asyncio.create_task(work) for work in (self.world.group.watch(), self.world.server.watch())]
        await self._break(nemesis)
        nemesis.heal()
        self.world.tell("healed")
        await self._drain()
        if any(process.frozen for process in self.running):
            nemesis.thaw_all()
            await asyncio.sleep(ZOMBIES_WAKE_S)
        await self._end()
        for task in background:
            task.cancel()
        self._report(nemesis)

    async def _break(self, nemesis: Nemesis) -> None:
        planned = messages(self._rng, self._rng.randint(20, 60))
        at_once = self._rng.choice((0, len(planned) // 2, len(planned)))
        publishing = asyncio.create_task(publish(self.world, planned, at_once))
        for _ in range(self._rng.choice((1, 2, 2, 3))):
            self.start()
        for _ in range(self._rng.randint(0, 8)):
            await self.world.pause(CALM_S)
            nemesis.strike()
            if self._rng.random() < LOOK_ODDS:
                self._judge(finished=False)
        await publishing

    async def _drain(self) -> None:
        """L1: everything gets stored, and what is lost is said to be."""
        if await self._until(lambda: all(map(self._is_done, self.world.logs)), DRAINED_WITHIN_S):
            return
        for log in self.world.logs:
            if not self._is_done(log):
                stands = f"{stored_up_to(self.world, log)} of {log.begins} to {log.ends}"
                self.world.problems.append(f"L1: partition {log.partition} stands at {stands}")

    def _is_done(self, log: PartitionLog) -> bool:
        stored = stored_up_to(self.world, log)
        if stored is None:
            return False
        return stored == log.ends or (_is_lost(log, stored) and log.partition in self.world.halted)

    async def _end(self) -> None:
        """L4, L5: every process ends when it is asked to, and leaves nothing behind."""
        for process in self.running:
            process.terminate()
        await self._until(lambda: not self.running, ENDED_WITHIN_S)
        self.world.problems += [f"L4: {process.name} goes on" for process in self.running]
        # What was under way to a slow server arrives, late as it is.
        await self._until(lambda: not self.world.server.backends, CUT_OFF_WITHIN_S)
        if self.world.server.backends or self.world.server.tables.locks:
            self.world.problems.append(f"L5: connections {list(self.world.server.backends)} are left")

    async def _until(self, condition: Callable[[], bool], within_s: float) -> bool:
        until = self.world.now() + within_s
        while not condition() and self.world.now() < until:  # noqa: ASYNC110  # many things end it
            await asyncio.sleep(0.05)
        return condition()

    def _report(self, nemesis: Nemesis) -> None:
        world = self.world
        for process in self._processes:
            if process.error is not None:
                world.problems.append(f"{process.name} ended with {process.error!r}")
        lost = any(_is_lost(log, stored_up_to(world, log) or 0) for log in world.logs)
        self._judge(finished=not lost and not any(log.truncated for log in world.logs))
        outcome = self._outcome
        outcome.problems += world.problems[:SHOWN]
        outcome.records = sum(len(log.entries) for log in world.logs)
        outcome.faults, outcome.said = nemesis.done, world.said

    def _judge(self, *, finished: bool) -> None:
        self.world.problems += map(str, violations(self.world, finished=finished)[:SHOWN])

    @property
    def running(self) -> list[Process]:
        return [process for process in self._processes if not process.ended]

    def start(self) -> None:
        """One more consumer, if there are not too many."""
        if len(self.running) < AT_MOST:
            name = f"consumer {len(self._processes)}"
            self._processes.append(Process(name, self._loop, self.world, self._config))


def _is_lost(log: PartitionLog, stored: int) -> bool:
    return not log.begins <= stored <= log.ends


def _draw_config(rng: Random) -> Config:
    return config(
        lanes=rng.randint(1, 3), batch_records=rng.choice((1, 2, 5, 20)), batch_bytes=rng.choice((1_024, 3_000, 60_000))
    )
