"""Consumers as an operator has them: started, asked to stop, stopped without asking, killed."""

from __future__ import annotations

import asyncio
import signal
from contextvars import copy_context

from agent_runs.settings import KafkaSettings
from consumer.config import Config, DatabaseConfig, IngestConfig, ServiceConfig, TopicConfig
from consumer.service import serve
from tests.simulation.virtual import TURNS, Turns, VirtualLoop
from tests.simulation.world import World


def config(*, lanes: int, batch_records: int, batch_bytes: int) -> Config:
    """Settings of the service, with timeouts that make a schedule short."""
    return Config(
        kafka=KafkaSettings(bootstrap_servers="model:1"),
        topic=TopicConfig(session_timeout_s=1.0, watch_interval_s=0.4, stall_s=4.0),
        database=DatabaseConfig(url="postgresql://model", timeout_s=2.0, lock_timeout_s=0.3, stalled_owner_s=0.6),
        ingest=IngestConfig(lanes=lanes, batch_records=batch_records, batch_bytes=batch_bytes),
        service=ServiceConfig(shutdown_timeout_s=1.5),
    )


class Process(Turns):
    """One consumer.

    Attributes:
        stopping: it has been asked to end.
    """

    def __init__(self, name: str, loop: VirtualLoop, world: World, config: Config) -> None:
        super().__init__(name)
        self._loop = loop
        self._world = world
        self.stopping = False
        loop.add(self)
        context = copy_context()
        context.run(TURNS.set, self)
        self._serving: asyncio.Task[None] = loop.create_task(serve(config, to_end=False), context=context)

    @property
    def ended(self) -> bool:
        return self.dead or self._serving.done()

    @property
    def error(self) -> BaseException | None:
        """What it ended with, of itself; None if it has not, or ended well."""
        if self.dead or not self._serving.done():
            return None
        return asyncio.CancelledError() if self._serving.cancelled() else self._serving.exception()

    def kill(self) -> None:
        """SIGKILL: the servers notice by and by."""
        if self.ended:
            return
        self._loop.kill(self)
        for backend in list(self._world.server.backends.values()):
            if backend.owner is self:
                backend.hang_up()

    def terminate(self) -> None:
        """SIGTERM."""
        self.stopping = True
        if stop := self.signals.get(signal.SIGTERM):
            self._loop.call_soon(stop)
        else:
            self.kill()  # it has not come so far
