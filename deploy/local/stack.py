"""Both servers together."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from deploy.local.kafka import Kafka
from deploy.local.postgresql import PostgreSQL
from deploy.local.server import Server


class LocalStack:
    """Kafka and PostgreSQL below one directory, up for the length of a `with` block.

    Port 0 is any free one. `brief` starts Kafka with little effort, for a minute or so. `durable=False` does not wait
    for the disk either, and does not stop in order: for tests.
    """

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        brief: bool = False,
        kafka_port: int = 0,
        postgres_port: int = 0,
    ) -> None:
        self.kafka = Kafka(directory / "kafka", kafka_port, brief=brief or not durable)
        self.postgres = PostgreSQL(directory / "postgresql", postgres_port, durable=durable)
        self._durable = durable

    @property
    def servers(self) -> tuple[Server, Server]:
        """Both, for what is done to both."""
        return self.kafka, self.postgres

    def start(self) -> None:
        """Start both side by side and return when both answer. When one doesn't, the other isn't left running."""
        try:
            for_each(self.servers, lambda server: server.start())
        except BaseException:
            for_each([server for server in self.servers if server.is_ours], lambda server: server.kill())
            raise

    def stop(self) -> None:
        """Stop both, in order if durable."""
        for_each(self.servers, lambda server: server.stop() if self._durable else server.kill())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def for_each(servers: Sequence[Server], act: Callable[[Server], None]) -> None:
    """Do it to the servers side by side. Raises the first error after all have been done."""
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(act, server) for server in servers]:
            done.result()
