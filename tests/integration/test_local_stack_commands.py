"""`python -m deploy.local up`, `down` and `status`, each test in its own copy of the checkout."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.ports import HOST, free_port
from tests.support.paths import CHECKOUT
from tests.support.servers import LOG_APPEND_TIME, create_topic
from tests.support.servers.clients import execute, fetch_value, first_record, produce
from tests.support.servers.programs import local_stack, shell_environment
from tests.support.viewer_process import get


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A directory that the command uses as its checkout. Its servers are stopped after the test."""
    shutil.copytree(CHECKOUT / "deploy" / "local", tmp_path / "deploy" / "local")
    yield tmp_path
    local_stack(tmp_path, "down")


@pytest.mark.slow
async def test_up_after_down_brings_back_the_data_at_the_same_addresses(checkout: Path) -> None:
    # Given servers that were started from the command line, and hold data,
    local_stack(checkout, "up")
    addresses = shell_environment(checkout)
    kafka, database = addresses["KAFKA_BOOTSTRAP_SERVERS"], addresses["DATABASE_URL"]
    await execute(database, "CREATE TABLE kept AS SELECT 'row' AS word")
    await create_topic(kafka, "kept", 1, LOG_APPEND_TIME)
    await produce(kafka, "kept", b"record")
    # when they are stopped and started again,
    local_stack(checkout, "down")
    assert local_stack(checkout, "status").stdout == "Kafka: down\nPostgreSQL: down\nViewer: down\n"
    local_stack(checkout, "up")
    # then they have the same addresses and the same data.
    assert shell_environment(checkout) == addresses
    assert await fetch_value(database, "SELECT word FROM kept") == "row"
    assert await first_record(kafka, "kept") == b"record"


async def test_up_uses_the_requested_ports_and_leaves_running_servers_alone(checkout: Path) -> None:
    # Given three requested ports, when the servers are started,
    kafka, postgres, viewer, another = (str(free_port()) for _ in range(4))
    ports = ("--kafka-port", kafka, "--postgres-port", postgres, "--viewer-port", viewer)
    output = local_stack(checkout, "up", *ports).stdout
    # then they listen there, and the viewer says what is missing.
    before = local_stack(checkout, "status").stdout
    assert before.count("up, ready") == 3
    addresses = shell_environment(checkout)
    assert addresses["KAFKA_BOOTSTRAP_SERVERS"] == f"{HOST}:{kafka}"
    assert f":{postgres}/" in addresses["DATABASE_URL"]
    assert addresses["AGENT_RUNS_VIEWER_URL"] == f"http://{HOST}:{viewer}/"
    assert f"Open {addresses['AGENT_RUNS_VIEWER_URL']} in a browser" in output
    page = await get(int(viewer), "/")
    assert "create the tables with <code>agent-runs-consumer migrate</code>" in page.text
    # When `up` is repeated, then it changes nothing; and with another port it moves no server.
    local_stack(checkout, "up")
    error = local_stack(checkout, "up", "--kafka-port", another, expect=1).stderr
    assert f"Kafka is already running on port {kafka}" in error
    assert local_stack(checkout, "status").stdout == before


def test_down_without_running_servers_succeeds(checkout: Path) -> None:
    local_stack(checkout, "down")


def test_a_taken_port_is_reported_in_one_line(checkout: Path) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = str(listener.getsockname()[1])
        error = local_stack(checkout, "up", "--kafka-port", port, expect=1).stderr
    assert error.startswith(f"error: Kafka: port {port} is taken")
    assert len(error.splitlines()) == 1
