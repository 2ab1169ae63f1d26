"""What is done to the consumers. Each fault leaves as many as there were."""

import asyncio
from collections.abc import Callable
from random import Random

from tests.nemesis.fleet import Fleet
from tests.nemesis.schedule import Strike, pause
from tests.support.fault_injection.steps import STEPS
from tests.support.waiting import until

SESSION_S = 2.0
LATEST_CALL = 40
REACHES_WITHIN_S = 8.0


class OfConsumers:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def kinds(self) -> list[tuple[int, Strike]]:
        """With their weights."""
        faults = (self.killed, self.terminated, self.frozen, self.joined, self.died_at_a_step, self.froze_at_a_step)
        return [(1, fault) for fault in faults]

    async def killed(self, rng: Random) -> None:
        """SIGKILL, and another one in its place."""
        self._fleet.kill(self._fleet.victim(rng))
        self._fleet.join()

    async def terminated(self, rng: Random) -> None:
        """SIGTERM, and another one in its place."""
        victim = self._fleet.victim(rng)
        self._fleet.join()
        await self._fleet.terminate(victim)

    async def frozen(self, rng: Random) -> None:
        """SIGSTOP for longer than its session, and it wakes up as if nothing had happened."""
        victim = rng.choice(self._fleet.members)
        victim.consumer.stop()
        try:
            await asyncio.sleep(SESSION_S * rng.uniform(0.5, 2.5))
        finally:
            victim.consumer.resume()

    async def joined(self, rng: Random) -> None:
        """One more for a while: the partitions are shared out anew when it comes and when it goes."""
        newcomer = self._fleet.join()
        await pause(rng)
        if rng.random() < 0.5:
            await self._fleet.terminate(newcomer)
        else:
            self._fleet.kill(newcomer)

    async def died_at_a_step(self, rng: Random) -> None:
        """One that kills itself before or after some step of its work; if it never comes there, we kill it."""
        victim = self._fleet.victim(rng)
        doomed = self._fleet.join(_fault("SIGKILL", rng))
        self._fleet.kill(victim)
        await _reached(lambda: not doomed.consumer.alive)
        self._fleet.kill(doomed)
        self._fleet.join()

    async def froze_at_a_step(self, rng: Random) -> None:
        """One that stops in the middle of its work, sleeps past its session, and wakes up where it was."""
        victim = self._fleet.victim(rng)
        sleeper = self._fleet.join(_fault("SIGSTOP", rng))
        self._fleet.kill(victim)
        if await _reached(lambda: sleeper.consumer.stopped):
            await asyncio.sleep(SESSION_S * rng.uniform(0.8, 2.5))
            sleeper.consumer.resume()
        else:  # nobody would wake it up later
            self._fleet.kill(sleeper)
            self._fleet.join()


async def _reached(condition: Callable[[], bool]) -> bool:
    """Whether a step is reached in time: some are rare."""
    try:
        await until(condition, "a step is reached", REACHES_WITHIN_S)
    except AssertionError:
        return False
    return True


def _fault(signal: str, rng: Random) -> str:
    return f"{signal} {rng.choice(('before', 'after'))} {rng.choice([*STEPS, 'piece'])} {rng.randrange(1, LATEST_CALL)}"
