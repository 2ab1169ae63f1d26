"""Selects the servers: those of the environment, else containers if AGENT_RUNS_TEST_SERVERS=docker, else local ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local import Kafka, LocalStack

# A broker whose heartbeats to its controller are late has no leaders for a while. With the session of a broker that is
# killed and started again, two seconds would be enough, for which a busy machine may stop it.
NEVER_KILLED = {"broker.session.timeout.ms": "60000"}


@dataclass(frozen=True)
class Servers:
    """Their addresses. The role of `database_url` may create databases and roles."""

    bootstrap_servers: str
    database_url: str


@contextmanager
def open_servers(environment: Mapping[str, str]) -> Iterator[Servers]:
    """Servers that run until the end of the block."""
    given = environment.get("KAFKA_BOOTSTRAP_SERVERS"), environment.get("DATABASE_URL")
    choice = environment.get("AGENT_RUNS_TEST_SERVERS", "")
    if given[0] and given[1]:
        yield Servers(given[0], given[1])
    elif choice == "docker":
        from tests.support.servers.containers import (
            docker_servers,  # loads the Docker client, which the other choices do not need
        )

        with docker_servers() as (bootstrap_servers, database_url):
            yield Servers(bootstrap_servers, database_url)
    elif choice in ("", "local"):
        with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
            stack = LocalStack(Path(directory), durable=False)
            stack.kafka = Kafka(stack.kafka.directory, properties=NEVER_KILLED, fast_start=True)
            with stack:
                yield Servers(stack.kafka.bootstrap_servers, stack.postgres.url)
    else:
        raise ValueError(f"AGENT_RUNS_TEST_SERVERS is {choice!r}; it may be `docker`, `local` or not set")
