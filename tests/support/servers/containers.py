"""The servers in Docker containers, with the settings of the local ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import docker
import pytest
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy

from deploy.local.jars import kafka_version
from deploy.local.kafka import PROPERTIES
from deploy.local.ports import HOST, free_port
from deploy.local.postgresql import SETTINGS, SUPERUSER

KAFKA_IMAGE = f"apache/kafka:{kafka_version()}"
POSTGRES_IMAGE = "postgres:18"
PASSWORD = "agent_runs"


@contextmanager
def docker_servers() -> Iterator[tuple[str, str]]:
    """Yields Kafka's address and PostgreSQL's URL. Ends the test run when no Docker engine answers."""
    _require_engine()
    kafka_port, postgres_port = free_port(), free_port()
    with _kafka(kafka_port), _postgres(postgres_port):
        yield f"{HOST}:{kafka_port}", f"postgresql://{SUPERUSER}:{PASSWORD}@{HOST}:{postgres_port}/postgres"


def _require_engine() -> None:
    try:
        client = docker.from_env()
        client.ping()
        client.close()
    except DockerException as failure:
        pytest.exit(
            f"AGENT_RUNS_TEST_SERVERS=docker, but no Docker engine answers ({failure}); start one, or leave the "
            f"variable unset to use the local stack",
            returncode=2,
        )


def _kafka(port: int) -> DockerContainer:
    # The port is chosen before the start, because the broker advertises its address to clients. KafkaContainer of
    # testcontainers works only with another publisher's image.
    settings = PROPERTIES | {
        "listeners": "CLIENTS://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"CLIENTS://{HOST}:{port}",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENTS",
        "controller.quorum.voters": "1@localhost:9093",
    }
    container = DockerContainer(KAFKA_IMAGE, env={_variable(name): value for name, value in settings.items()})
    container.with_bind_ports(9092, port)
    check = ["/opt/kafka/bin/kafka-broker-api-versions.sh", "--bootstrap-server", "localhost:9092"]
    return container.waiting_for(ExecWaitStrategy(check))


def _postgres(port: int) -> DockerContainer:
    settings = {name: value for name, value in SETTINGS.items() if name == "max_connections"}
    container = DockerContainer(
        POSTGRES_IMAGE,
        env={"POSTGRES_USER": SUPERUSER, "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "postgres"},
        command=" ".join(f"-c {name}={value}" for name, value in settings.items()),
    )
    container.with_bind_ports(5432, port)
    # Over TCP: while the entrypoint initialises the cluster, the server listens only on its socket.
    return container.waiting_for(ExecWaitStrategy(["pg_isready", "-q", "-h", "127.0.0.1", "-U", SUPERUSER]))


def _variable(setting: str) -> str:
    return "KAFKA_" + setting.upper().replace(".", "_")
