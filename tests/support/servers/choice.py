"""Which servers: the ones of the environment, else Docker's if asked for, else the local stack."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local import LocalStack


@dataclass(frozen=True)
class Servers:
    """Where they are. The role of `database_url` may create databases and roles."""

    bootstrap_servers: str
    database_url: str


@contextmanager
def open_servers(environment: Mapping[str, str]) -> Iterator[Servers]:
    """Servers for as long as the block lasts."""
    given = environment.get("KAFKA_BOOTSTRAP_SERVERS"), environment.get("DATABASE_URL")
    wish = environment.get("AGENT_RUNS_TEST_SERVERS", "")
    if given[0] and given[1]:
        yield Servers(given[0], given[1])
    elif wish == "docker":
        from tests.support.servers.containers import (
            docker_servers,  # loads the Docker client, which the others don't need
        )

        with docker_servers() as (bootstrap_servers, database_url):
            yield Servers(bootstrap_servers, database_url)
    elif wish in ("", "local"):
        with (
            TemporaryDirectory(prefix="agent-runs-tests-") as directory,
            LocalStack(Path(directory), durable=False) as stack,
        ):
            yield Servers(stack.kafka.bootstrap_servers, stack.postgres.url)
    else:
        raise ValueError(f"AGENT_RUNS_TEST_SERVERS is {wish!r}; it may be `docker`, `local` or not set")
