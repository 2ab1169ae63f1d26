"""The error messages of the local servers: what happened, and the remedy."""

import re
import socket
from pathlib import Path

import pytest

from deploy.local import Kafka, LocalStack, PostgreSQL
from deploy.local.errors import AlreadyRunning, CorruptJar, DownloadFailed, NotStarted, PortTaken
from deploy.local.jars import class_path
from deploy.local.ports import HOST


@pytest.mark.parametrize("server", [Kafka, PostgreSQL])
def test_a_taken_port_is_reported(server: type[Kafka | PostgreSQL], tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken, match=f"{server.name}: port {port} is taken.*choose another"):
            server(tmp_path, port).start()


def test_the_error_names_a_setting_that_the_server_rejects(tmp_path: Path) -> None:
    with pytest.raises(
        NotStarted, match=r'PostgreSQL ended during its start[\s\S]*configuration parameter "no_such_setting"'
    ):
        PostgreSQL(tmp_path / "postgresql", settings={"no_such_setting": "on"}).start()
    with pytest.raises(NotStarted, match=r"Invalid value nonsense for configuration log\.retention\.ms"):
        Kafka(tmp_path / "kafka", properties={"log.retention.ms": "nonsense"}).start()


def test_a_server_that_is_not_ready_in_time_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostgreSQL, "start_timeout_s", 0.2)
    monkeypatch.setattr(PostgreSQL, "is_ready", lambda _: False)
    server = PostgreSQL(tmp_path)
    with pytest.raises(NotStarted, match=r"PostgreSQL was not ready within 0\.2 s"):
        server.start()
    assert server.pid is None


@pytest.mark.slow
def test_a_directory_is_not_started_twice(tmp_path: Path) -> None:
    # Given a stack whose PostgreSQL is already running, started by another object,
    with PostgreSQL(tmp_path / "postgresql", durable=False) as running:
        stack = LocalStack(tmp_path, durable=False)
        # when the stack is started, then it fails; the old server still runs, and Kafka does not.
        with pytest.raises(AlreadyRunning, match=f"already running, pid {running.pid}"):
            stack.start()
        assert running.is_ready()
        assert stack.kafka.pid is None


def test_a_modified_jar_is_reported_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a cache in which the SHA-256 of one jar differs from the lock file,
    jars = tmp_path / "cache" / "jars"
    jars.mkdir(parents=True)
    modified, *intact = class_path()
    for jar in intact:
        (jars / jar.name).symlink_to(jar)
    (jars / modified.name).write_bytes(b"not a jar")
    monkeypatch.setenv("AGENT_RUNS_CACHE", str(tmp_path / "cache"))
    # when Kafka is started, then that fails, and the message names the file.
    name = re.escape(str(jars / modified.name))
    with pytest.raises(CorruptJar, match=f"^{name} is not the locked jar.*delete the file"):
        Kafka(tmp_path / "kafka").start()


def test_a_failed_download_reports_the_jar_and_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_RUNS_CACHE", str(tmp_path / "cache"))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://{HOST}:1")  # no program listens there
    with pytest.raises(DownloadFailed, match=r"^could not download [\w.-]+:[\w.-]+:[\d.]+: [\s\S]*HTTPS_PROXY"):
        class_path()
