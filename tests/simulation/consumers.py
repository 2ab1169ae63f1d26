"""Simulated consumer processes: each runs the service's `serve`, and can be frozen, terminated and killed."""

from __future__ import annotations

import asyncio
import signal
from contextvars import copy_context

from agent_runs.settings import KafkaSettings
from consumer.service import serve
from consumer.settings import Config, DatabaseConfig, IngestConfig, ServiceConfig, TopicConfig
from tests.simulation.environment import Environment
from tests.simulation.event_loop import PROCESS, Process, VirtualLoop


def config(*, lanes: int, batch_records: int, batch_bytes: int) -> Config:
    """The service's settings, with timeouts that keep a schedule short."""
    return Config(
        kafka=KafkaSettings(bootstrap_servers="model:1"),
        topic=TopicConfig(session_timeout_s=1.0, watch_interval_s=0.4, stall_s=4.0),
        database=DatabaseConfig(url="postgresql://model", timeout_s=2.0, lock_timeout_s=0.3, stalled_owner_s=0.6),
        ingest=IngestConfig(lanes=lanes, batch_records=batch_records, batch_bytes=batch_bytes),
        service=ServiceConfig(shutdown_timeout_s=1.5),
    )


class ConsumerProcess(Process):
    """One consumer.

    Attributes:
        stopping: whether it has received SIGTERM.
    """

    def __init__(self, name: str, loop: VirtualLoop, env: Environment, config: Config) -> None:
        super().__init__(name)
        self._loop = loop
        self._env = env
        self.stopping = False
        loop.add(self)
        context = copy_context()
        context.run(PROCESS.set, self)
        self._serving: asyncio.Task[None] = loop.create_task(serve(config, to_end=False), context=context)

    @property
    def ended(self) -> bool:
        return self.dead or self._serving.done()

    @property
    def error(self) -> BaseException | None:
        """The exception with which `serve` ended; None if it runs, was killed or ended normally."""
        if self.dead or not self._serving.done():
            return None
        return asyncio.CancelledError() if self._serving.cancelled() else self._serving.exception()

    def kill(self) -> None:
        """SIGKILL: the process ends at once; PostgreSQL notices each closed connection a moment later."""
        if self.ended:
            return
        self._loop.kill(self)
        for backend in list(self._env.server.backends.values()):
            if backend.owner is self:
                backend.hang_up()

    def terminate(self) -> None:
        """SIGTERM."""
        self.stopping = True
        if stop := self.signals.get(signal.SIGTERM):
            self._loop.call_soon(stop)
        else:
            self.kill()  # no handler is installed yet
