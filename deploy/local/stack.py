"""Kafka and PostgreSQL together."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from deploy.local.kafka import Kafka
from deploy.local.postgresql import PostgreSQL
from deploy.local.server import Server


class LocalStack:
    """Kafka and PostgreSQL, with all their data in one directory. As a context, running inside the `with` block.

    Args:
        directory: holds data, logs and addresses of both servers.
        durable: False is for tests. PostgreSQL then does not wait for the disk, Kafka starts as with `fast_start`, and
            `stop` kills both.
        fast_start: Kafka starts with half the processor time, but is slower afterwards. For stacks that run for about a
            minute.
        kafka_port: 0 is any free port.
        postgres_port: 0 is any free port.
    """

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        fast_start: bool = False,
        kafka_port: int = 0,
        postgres_port: int = 0,
    ) -> None:
        self.kafka = Kafka(directory / "kafka", kafka_port, fast_start=fast_start or not durable)
        self.postgres = PostgreSQL(directory / "postgresql", postgres_port, durable=durable)
        self._durable = durable

    @property
    def servers(self) -> tuple[Server, Server]:
        """Both servers."""
        return self.kafka, self.postgres

    def start(self) -> None:
        """Start both in parallel, and return when both are ready. If one fails to start, the other is killed."""
        try:
            run_in_parallel(self.servers, lambda server: server.start())
        except BaseException:
            run_in_parallel([server for server in self.servers if server.started_here], lambda server: server.kill())
            raise

    def stop(self) -> None:
        """Stop both: gracefully if `durable`, else by SIGKILL."""
        run_in_parallel(self.servers, lambda server: server.stop() if self._durable else server.kill())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def run_in_parallel(servers: Sequence[Server], action: Callable[[Server], None]) -> None:
    """Call the action with each server, in parallel. Raises the first error after all calls have ended."""
    with ThreadPoolExecutor() as pool:
        for call in [pool.submit(action, server) for server in servers]:
            call.result()
