"""Run Kafka, PostgreSQL and the viewer in the background. `up` starts them, `down` stops them, `status` shows them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local.cache import file_lock
from deploy.local.errors import AlreadyRunning, LocalStackError, NotStarted
from deploy.local.server import CHECKOUT, Server
from deploy.local.stack import LocalStack, run_in_parallel
from deploy.local.viewer import Viewer

DIRECTORY = CHECKOUT / ".local"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of the command line. Returns the exit code: 0, or 1 after an error."""
    options = _parser().parse_args(arguments)
    stack = LocalStack(DIRECTORY, kafka_port=options.kafka_port, postgres_port=options.postgres_port)
    try:
        with file_lock(DIRECTORY / "lock"):  # two `up` at the same time would start each server twice
            COMMANDS[options.command](stack, options.viewer_port)
    except LocalStackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def up(stack: LocalStack, viewer_port: int) -> None:
    """Start what is not running; print the addresses and write them to `.local/env`."""
    run_in_parallel(stack.servers, _ensure_up)
    addresses = {"KAFKA_BOOTSTRAP_SERVERS": stack.kafka.bootstrap_servers, "DATABASE_URL": stack.postgres.url}
    viewer = Viewer(DIRECTORY / "viewer", viewer_port, addresses)
    _ensure_up(viewer)
    addresses["AGENT_RUNS_VIEWER_URL"] = viewer.url
    environment = "".join(f"{name}={value}\n" for name, value in addresses.items())
    environment_file = DIRECTORY / "env"
    environment_file.write_text(environment)
    print(
        f"{environment}Kafka, PostgreSQL and the viewer are running. Open {viewer.url} in a browser.\n"
        f"To set these variables in your shell: set -a; . {_relative(environment_file)}; set +a"
    )


def down(stack: LocalStack, viewer_port: int) -> None:
    """Stop what is running, and keep the data."""
    run_in_parallel([*stack.servers, Viewer(DIRECTORY / "viewer", viewer_port)], lambda server: server.stop())
    print(
        f"Kafka, PostgreSQL and the viewer are stopped. The next `up` continues with their data in "
        f"{_relative(DIRECTORY)}; delete that directory to start with empty servers."
    )


def status(stack: LocalStack, viewer_port: int) -> None:
    """Print for each server whether it is running and ready."""
    for server in (*stack.servers, Viewer(DIRECTORY / "viewer", viewer_port)):
        print(f"{server.name}: {_state(server)}")


COMMANDS = {"up": up, "down": down, "status": status}


def _ensure_up(server: Server) -> None:
    if server.pid is None:
        server.start(detached=True)
    elif not server.is_ready():
        raise NotStarted(
            f"{server.name} is running, pid {server.pid}, but not ready; "
            f"look into {server.log}, then run `down` and `up`"
        )
    elif server.requested_port not in (0, server.port):
        raise AlreadyRunning(
            f"{server.name} is already running on port {server.port}; to move it to port {server.requested_port}, "
            f"run `down` first"
        )


def _state(server: Server) -> str:
    if server.pid is None:
        return "down"
    ready = "ready" if server.is_ready() else "not ready"
    return f"up, {ready} on port {server.port}, pid {server.pid}, log in {_relative(server.log)}"


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--kafka-port", type=int, default=0, metavar="N", help="0 (the default): any free port.")
    parser.add_argument("--postgres-port", type=int, default=0, metavar="N", help="0 (the default): any free port.")
    parser.add_argument("--viewer-port", type=int, default=0, metavar="N", help="0 (the default): any free port.")
    return parser
