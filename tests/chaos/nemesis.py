"""What is done to Kafka, drawn by chance, and undone before it is over."""

import asyncio
import os
from collections import Counter
from random import Random
from signal import SIGCONT, SIGSTOP

from deploy.local import Kafka
from tests.faults.proxy import Fate, KafkaProxy

LONGEST_S = 12.0


class Nemesis:
    """Faults one at a time. `done` counts them by kind."""

    def __init__(self, kafka: Kafka, proxy: KafkaProxy, rng: Random) -> None:
        self._kafka = kafka
        self._proxy = proxy
        self._rng = rng
        self.done: Counter[str] = Counter()

    async def strike(self) -> None:
        """One fault, from its beginning to its end."""
        fault = self._rng.choice(
            (self.kill, self.restart, self.freeze, self.silence, self.cut, self.forget, self.refuse)
        )
        self.done[fault.__name__] += 1
        await fault()

    async def kill(self) -> None:
        """SIGKILL, and up again some time later."""
        await asyncio.to_thread(self._kafka.kill)
        await self._a_while()
        await asyncio.to_thread(self._kafka.start)

    async def restart(self) -> None:
        """An orderly stop, and up again at once."""
        await asyncio.to_thread(self._kafka.stop)
        await asyncio.to_thread(self._kafka.start)

    async def freeze(self) -> None:
        """SIGSTOP: it takes connections and answers nothing, and later answers all at once."""
        assert self._kafka.pid is not None
        os.kill(self._kafka.pid, SIGSTOP)
        try:
            await self._a_while()
        finally:
            os.kill(self._kafka.pid, SIGCONT)

    async def silence(self) -> None:
        """A black hole: what is sent meanwhile is gone for good."""
        self._proxy.audible.clear()
        await self._a_while()
        self._proxy.audible.set()
        self._proxy.cut()  # bytes are missing in the middle of what these connections say

    async def cut(self) -> None:
        """Every connection is reset, again and again."""
        for _ in range(self._rng.randrange(1, 6)):
            self._proxy.cut()
            await asyncio.sleep(self._rng.random())

    async def forget(self) -> None:
        """Batches arrive, and their acknowledgements don't."""
        await self._bring_about(Fate.ANSWER_IS_LOST)

    async def refuse(self) -> None:
        """Batches don't arrive."""
        await self._bring_about(Fate.NEVER_ARRIVES)

    async def _bring_about(self, fate: Fate) -> None:
        self._proxy.fates.extend(self._rng.choice((fate, Fate.PASSES)) for _ in range(40))
        await self._a_while()
        self._proxy.fates.clear()

    async def _a_while(self) -> None:
        await asyncio.sleep(self._rng.uniform(0.1, LONGEST_S))
