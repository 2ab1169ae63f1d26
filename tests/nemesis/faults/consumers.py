"""Faults of the consumers. Each fault leaves as many consumers as before."""

import asyncio
from collections.abc import Callable
from random import Random

from tests.nemesis.fleet import Fleet
from tests.nemesis.schedule import Fault, pause
from tests.support.fault_injection.steps import STEPS
from tests.support.waiting import until

SESSION_S = 2.0
LATEST_CALL = 40
REACHES_WITHIN_S = 8.0


class ConsumerFaults:
    """Faults of the fleet's members."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def kinds(self) -> list[tuple[int, Fault]]:
        """The faults with their weights."""
        faults = (
            self.killed,
            self.killed_and_missed,
            self.terminated,
            self.rolled_out,
            self.frozen,
            self.joined,
            self.died_at_a_step,
            self.froze_at_a_step,
        )
        return [(1, fault) for fault in faults]

    async def killed(self, rng: Random) -> None:
        """SIGKILL to one; start another."""
        self._fleet.kill(self._fleet.replaceable(rng))
        self._fleet.join()

    async def killed_and_missed(self, rng: Random) -> None:
        """SIGKILL to one; start another some time later."""
        self._fleet.kill(self._fleet.replaceable(rng))
        await pause(rng)
        self._fleet.join()

    async def rolled_out(self, rng: Random) -> None:
        """Replace all but the first, one after the other."""
        for member in self._fleet.members[1:]:
            self._fleet.join()
            await self._fleet.terminate(member)

    async def terminated(self, rng: Random) -> None:
        """SIGTERM to one; start another."""
        member = self._fleet.replaceable(rng)
        self._fleet.join()
        await self._fleet.terminate(member)

    async def frozen(self, rng: Random) -> None:
        """SIGSTOP for 0.5 to 2.5 session timeouts, then SIGCONT."""
        member = rng.choice(self._fleet.members)
        member.consumer.freeze()
        try:
            await asyncio.sleep(SESSION_S * rng.uniform(0.5, 2.5))
        finally:
            member.consumer.resume()

    async def joined(self, rng: Random) -> None:
        """Start one more for a while: the group rebalances when it joins and when it leaves."""
        newcomer = self._fleet.join()
        await pause(rng)
        if rng.random() < 0.5:
            await self._fleet.terminate(newcomer)
        else:
            self._fleet.kill(newcomer)

    async def died_at_a_step(self, rng: Random) -> None:
        """Replace one by a consumer that kills itself at a step; it is killed if it does not reach the step."""
        member = self._fleet.replaceable(rng)
        dying = self._fleet.join(_fault("SIGKILL", rng))
        self._fleet.kill(member)
        await _reached(lambda: not dying.consumer.alive)
        self._fleet.kill(dying)
        self._fleet.join()

    async def froze_at_a_step(self, rng: Random) -> None:
        """Replace one by a consumer that stops itself at a step; resume it about one to three sessions later."""
        member = self._fleet.replaceable(rng)
        stopping = self._fleet.join(_fault("SIGSTOP", rng))
        self._fleet.kill(member)
        if await _reached(lambda: stopping.consumer.frozen):
            await asyncio.sleep(SESSION_S * rng.uniform(0.8, 2.5))
            stopping.consumer.resume()
        else:  # if it stopped itself later, nothing would resume it
            self._fleet.kill(stopping)
            self._fleet.join()


async def _reached(condition: Callable[[], bool]) -> bool:
    """Whether a step is reached in time; some steps are rare."""
    try:
        await until(condition, "a step is reached", REACHES_WITHIN_S)
    except AssertionError:
        return False
    return True


def _fault(signal: str, rng: Random) -> str:
    return f"{signal} {rng.choice(('before', 'after'))} {rng.choice([*STEPS, 'chunk'])} {rng.randrange(1, LATEST_CALL)}"
