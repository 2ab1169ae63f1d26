"""The local servers end when the program that started them ends, keep their data, and touch no other process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local import PostgreSQL
from deploy.local.processes import ProcessIdentity, wait_until
from deploy.local.users import UNPRIVILEGED_USER, is_root
from tests.support.servers import LOG_APPEND_TIME, OwnServers, create_topic
from tests.support.servers.clients import busy_session, execute, fetch_value, first_record, produce
from tests.support.servers.programs import Starter, alive


@pytest.fixture
def other_process() -> Iterator["subprocess.Popen[bytes]"]:
    """A `sleep` process that runs as PostgreSQL's user."""
    with subprocess.Popen(["/bin/sleep", "1000"], user=UNPRIVILEGED_USER if is_root() else None) as process:
        yield process
        process.kill()


@pytest.mark.slow
async def test_both_servers_end_when_their_starter_is_killed(tmp_path: Path) -> None:
    # Given a program that runs both servers, and a session that keeps a backend busy,
    starter = Starter(tmp_path)
    with starter as servers:
        async with busy_session(PostgreSQL(tmp_path / "postgresql").url) as backend:
            # when the program is killed,
            starter.process.kill()
            # then no process of its servers is left.
            assert wait_until(lambda: not any(map(alive, [*servers, backend])), timeout_s=10)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process when its parent ends")
def test_a_server_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    with Starter(tmp_path) as servers:
        supervisors = [psutil.Process(pid).parent() for pid in servers]
        for supervisor in supervisors:
            assert supervisor is not None
            supervisor.kill()
        assert wait_until(lambda: not any(map(alive, servers)), timeout_s=10)


@pytest.mark.slow
async def test_a_crash_loses_no_row_and_no_record(own_servers: OwnServers) -> None:
    # Given a committed row and an acknowledged record,
    stack = own_servers()
    await execute(stack.postgres.url, "CREATE TABLE kept AS SELECT 'row' AS word")
    await create_topic(stack.kafka.bootstrap_servers, "kept", 1, LOG_APPEND_TIME)
    await produce(stack.kafka.bootstrap_servers, "kept", b"record")
    addresses = stack.kafka.bootstrap_servers, stack.postgres.url
    # when both servers are killed while a backend is busy, and are started again,
    async with busy_session(stack.postgres.url) as backend:
        for server in stack.servers:
            server.kill()
            assert server.pid is None
        assert not alive(backend)
    for server in stack.servers:
        server.start()
    # then they have the same addresses and the same data.
    assert (stack.kafka.bootstrap_servers, stack.postgres.url) == addresses
    assert await fetch_value(stack.postgres.url, "SELECT word FROM kept") == "row"
    assert await first_record(stack.kafka.bootstrap_servers, "kept") == b"record"


@pytest.mark.slow
async def test_two_stacks_run_side_by_side(own_servers: OwnServers) -> None:
    stacks = own_servers(), own_servers()
    servers = [server for stack in stacks for server in stack.servers]
    assert len({server.port for server in servers}) == len(servers)
    assert all(server.is_ready() for server in servers)


async def test_the_role_of_the_url_may_create_databases_and_roles(tmp_path: Path) -> None:
    with PostgreSQL(tmp_path, durable=False) as server:
        await execute(server.url, "CREATE DATABASE another")
        await execute(server.url, "CREATE ROLE another NOLOGIN")
        assert await fetch_value(server.url, "SHOW server_encoding") == "UTF8"


def test_a_server_that_does_not_stop_in_time_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a server that cannot handle a signal,
    with PostgreSQL(tmp_path, durable=False) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        # when another object stops it, then it is killed.
        monkeypatch.setattr(PostgreSQL, "stop_timeout_s", 0.5)
        PostgreSQL(tmp_path).stop()
        assert server.pid is None


def test_a_stored_pid_that_belongs_to_another_program_is_left_alone(
    tmp_path: Path, other_process: "subprocess.Popen[bytes]"
) -> None:
    # Given an old state file; since a reboot its pid belongs to another program,
    process = ProcessIdentity.of(other_process.pid)
    assert process is not None
    state = {"port": 1, "pid": process.pid, "started": f"before {process.started}"}
    (tmp_path / "server.json").write_text(json.dumps(state))
    # when the server is stopped and killed, then the other program still runs.
    server = PostgreSQL(tmp_path)
    assert server.pid is None
    server.stop()
    server.kill()
    assert other_process.poll() is None


def test_postgresql_starts_although_its_pid_file_names_another_program(
    tmp_path: Path, other_process: "subprocess.Popen[bytes]"
) -> None:
    # Given a server that was killed in a crash of the machine; the pid in its postmaster.pid now belongs to another
    # program,
    server = PostgreSQL(tmp_path, durable=False)
    server.start()
    server.kill()
    pid_file = tmp_path / "data" / "postmaster.pid"
    _, *rest = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text("".join([f"{other_process.pid}\n", *rest]))
    # when it is started, then it becomes ready.
    with server:
        assert server.is_ready()
    assert other_process.poll() is None
