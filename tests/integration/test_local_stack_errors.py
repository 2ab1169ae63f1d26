"""What the local servers say when they cannot do what was asked: the thing, and the remedy."""

import re
import socket
from pathlib import Path

import pytest

from deploy.local import Kafka, LocalStack, PostgreSQL
from deploy.local.errors import AlreadyRunning, CorruptJar, DownloadFailed, NotStarted, PortTaken
from deploy.local.jars import class_path
from deploy.local.ports import HOST


@pytest.mark.parametrize("server", [Kafka, PostgreSQL])
def test_a_taken_port_is_named(server: type[Kafka | PostgreSQL], tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(PortTaken, match=f"{server.name}: port {port} is taken.*choose another"):
            server(tmp_path, port).start()


def test_a_setting_that_a_server_refuses_is_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match=r'PostgreSQL ended at once[\s\S]*configuration parameter "no_such_setting"'):
        PostgreSQL(tmp_path / "postgresql", settings={"no_such_setting": "on"}).start()
    with pytest.raises(NotStarted, match=r"Invalid value nonsense for configuration log\.retention\.ms"):
        Kafka(tmp_path / "kafka", properties={"log.retention.ms": "nonsense"}).start()


def test_a_server_that_gives_no_answer_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostgreSQL, "start_timeout_s", 0.2)
    monkeypatch.setattr(PostgreSQL, "answers", lambda _: False)
    server = PostgreSQL(tmp_path)
    with pytest.raises(NotStarted, match=r"PostgreSQL gave no answer within 0\.2 s"):
        server.start()
    assert server.pid is None


def test_a_directory_is_not_started_twice(tmp_path: Path) -> None:
    # Given a stack whose PostgreSQL is up already, started by somebody else,
    with PostgreSQL(tmp_path / "postgresql", durable=False) as running:
        stack = LocalStack(tmp_path, durable=False)
        # when it is started, then that fails, leaves the running server alone, and leaves no new one behind.
        with pytest.raises(AlreadyRunning, match=f"already running, pid {running.pid}"):
            stack.start()
        assert running.answers()
        assert stack.kafka.pid is None


def test_a_jar_that_was_changed_is_named_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a cache in which one jar isn't what was locked,
    jars = tmp_path / "cache" / "jars"
    jars.mkdir(parents=True)
    changed, *whole = class_path()
    for jar in whole:
        (jars / jar.name).symlink_to(jar)
    (jars / changed.name).write_bytes(b"not a jar")
    monkeypatch.setenv("AGENT_RUNS_CACHE", str(tmp_path / "cache"))
    # when Kafka is started, then it isn't, and the message names the file.
    name = re.escape(str(jars / changed.name))
    with pytest.raises(CorruptJar, match=f"^{name} is not the jar that was locked.*delete the file"):
        Kafka(tmp_path / "kafka").start()


def test_a_failed_download_names_the_jar_and_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_RUNS_CACHE", str(tmp_path / "cache"))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://{HOST}:1")  # where nobody listens
    with pytest.raises(DownloadFailed, match=r"^could not download [\w.-]+:[\w.-]+:[\d.]+: [\s\S]*HTTPS_PROXY"):
        class_path()
