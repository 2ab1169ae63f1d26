"""The image and the compose file: build, start, emit from this machine, read the rows, stop.

Set AGENT_RUNS_TEST_CONTAINER=1 to run it: it builds images and takes minutes. It needs a Docker engine with one of the
two compose commands. Where no image registry is reachable, `python -m tests.images.build` builds stand-ins.
"""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import jars
from deploy.local.ports import free_port
from tests.support.paths import CHECKOUT
from tests.support.viewer_process import get

UP_TIMEOUT_S = 600  # includes downloads and the build
DEADLINE_S = 60

RUNS, EVENTS_A_RUN = 5, 20
VIEWER_TOKEN = "a-token-for-this-test"

pytestmark = pytest.mark.timeout(UP_TIMEOUT_S + 120)


class Project:
    """The compose file with a unique project name, free ports and a unique image tag."""

    def __init__(self) -> None:
        self.name = f"agent-runs-test-{secrets.token_hex(4)}"
        self.image = f"{self.name}:test"
        self.kafka_port, self.postgres_port, self.viewer_port = free_port(), free_port(), free_port()
        self._environment = {
            **os.environ,
            "AGENT_RUNS_IMAGE": self.image,
            "KAFKA_PORT": str(self.kafka_port),
            "POSTGRES_PORT": str(self.postgres_port),
            "POSTGRES_PASSWORD": "secret",
            "VIEWER_PORT": str(self.viewer_port),
            "AGENT_RUNS_VIEWER_TOKEN": VIEWER_TOKEN,
            "COMPOSE_PROFILES": "viewer",
        }

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.kafka_port}"

    @property
    def database_url(self) -> str:
        return f"postgresql://agent_runs:secret@127.0.0.1:{self.postgres_port}/agent_runs"

    def compose(self, *words: str, timeout_s: float = 120) -> str:
        done = self.run(*words, timeout_s=timeout_s)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def run(self, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        command = [*_compose_command(), "--project-name", self.name, "--file", "docker-compose.yml", *words]
        return subprocess.run(
            command, check=False, cwd=CHECKOUT, env=self._environment, timeout=timeout_s, capture_output=True, text=True
        )

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--all", "--quiet", service).split()


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    """All services with two consumers; removed after the tests."""
    if reason := _reason_to_skip():
        pytest.skip(reason)
    project = Project()
    try:
        project.compose("up", "--detach", "--build", "--scale", "consumer=2", timeout_s=UP_TIMEOUT_S)
        yield project
    finally:
        print(project.run("logs", "--no-color", "--tail=50").stdout)  # shown by pytest when something failed
        project.compose("down", "--volumes", "--remove-orphans", timeout_s=300)
        subprocess.run(["docker", "image", "rm", "--force", project.image], check=False, capture_output=True)


def _reason_to_skip() -> str | None:
    if os.environ.get("AGENT_RUNS_TEST_CONTAINER") != "1":
        return "AGENT_RUNS_TEST_CONTAINER=1 is not set"
    if not _succeeds("docker", "version"):
        return "no Docker engine answers"
    if not _compose_command():
        return "neither `docker compose` nor `docker-compose` is installed"
    return None


def _compose_command() -> list[str]:
    if _succeeds("docker", "compose", "version"):
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def test_compose_uses_the_kafka_version_of_the_local_stack() -> None:
    assert f"image: apache/kafka:{jars.kafka_version()}\n" in (CHECKOUT / "docker-compose.yml").read_text()


def test_both_jobs_exit_with_code_0(project: Project) -> None:
    for job in ("migrate", "create-topic"):
        assert [_inspect(container)["State"]["ExitCode"] for container in project.containers(job)] == [0]


def test_each_consumer_becomes_healthy_and_is_not_root(project: Project) -> None:
    containers = project.containers("consumer")
    assert len(containers) == 2
    for container in containers:
        _wait_until(partial(_is_healthy, container), f"{container} is healthy")
        assert _inspect(container)["Config"]["User"] == "10001:10001"


def test_events_emitted_on_this_machine_become_rows_in_order(project: Project) -> None:
    # Given runs whose events are interleaved,
    runs = [f"run-{number}-{secrets.token_hex(3)}" for number in range(RUNS)]
    emitted = [(run, f"event-{number}") for number in range(EVENTS_A_RUN) for run in runs]

    # when an agent outside of the compose network emits them,
    asyncio.run(_emit(project, emitted))

    # then each run has its events once, numbered from 0 in the order of emission.
    expected = {(run, number): f"event-{number}" for number in range(EVENTS_A_RUN) for run in runs}
    _wait_until(lambda: len(asyncio.run(_stored(project, runs))) >= len(expected), "all events are rows")
    assert dict(asyncio.run(_stored(project, runs))) == expected


async def test_the_viewer_shows_the_runs_to_those_who_have_its_token(project: Project) -> None:
    assert (await get(project.viewer_port, "/api/status")).status == 401
    answer = await get(project.viewer_port, "/api/status", Authorization=f"Bearer {VIEWER_TOKEN}")
    assert answer.json["runs"]["running"]["count"] == RUNS


def test_the_jobs_succeed_when_they_run_again(project: Project) -> None:
    for job in ("migrate", "create-topic"):
        project.compose("run", "--rm", "-T", job)


def test_sigterm_ends_each_consumer_within_its_grace_period_with_exit_code_0(project: Project) -> None:
    containers = project.containers("consumer")
    project.compose("stop", "consumer")
    # 137 would be SIGKILL, which Docker sends after the `stop_grace_period`.
    assert [_inspect(container)["State"]["ExitCode"] for container in containers] == [0, 0]


async def _emit(project: Project, events: list[tuple[str, str]]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=project.bootstrap_servers, enable_idempotence=True) as producer:
        for run, event in events:
            await producer.send("run-events", key=run.encode(), value=_message(event))
        await producer.flush()


def _message(event: str) -> bytes:
    fields = {"type": "context_assembled", "id": event, "timestamp": "2026-01-31T23:59:59Z", "context": {"note": "é"}}
    return json.dumps(fields).encode()


async def _stored(project: Project, runs: list[str]) -> list[tuple[tuple[str, int], str]]:
    connection = await asyncpg.connect(project.database_url)
    try:
        rows = await connection.fetch("SELECT run_id, event_seq, id FROM run_events WHERE run_id = ANY($1)", runs)
        return [((row["run_id"], row["event_seq"]), row["id"]) for row in rows]
    finally:
        await connection.close()


def _inspect(container: str) -> dict[str, Any]:
    done = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def _is_healthy(container: str) -> bool:
    return bool(_inspect(container)["State"]["Health"]["Status"] == "healthy")


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.5)
