"""The servers of a checkout, in the background: `up` starts what isn't running, `down` stops what is."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local.cache import locked
from deploy.local.errors import AlreadyRunning, LocalStackError, NotStarted
from deploy.local.server import CHECKOUT, Server
from deploy.local.stack import LocalStack, for_each

DIRECTORY = CHECKOUT / ".local"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says. Returns the exit code."""
    options = _parser().parse_args(arguments)
    stack = LocalStack(DIRECTORY, kafka_port=options.kafka_port, postgres_port=options.postgres_port)
    try:
        with locked(DIRECTORY / "lock"):  # two at once would start everything twice
            COMMANDS[options.command](stack)
    except LocalStackError as trouble:
        print(f"error: {trouble}", file=sys.stderr)
        return 1
    return 0


def up(stack: LocalStack) -> None:
    """Start what isn't running, say where it is."""
    for_each(stack.servers, _ensure_up)
    environment = "".join(f"{name}={value}\n" for name, value in addresses(stack).items())
    environment_file = DIRECTORY / "env"
    environment_file.write_text(environment)
    print(f"{environment}Both are up. `set -a; . {_shown(environment_file)}; set +a` tells your shell where.")


def down(stack: LocalStack) -> None:
    """Stop what is running. The data stays."""
    for_each(stack.servers, lambda server: server.stop())
    print(f"Both are down. Their data stays in {_shown(DIRECTORY)} for the next `up`; delete that to begin anew.")


def status(stack: LocalStack) -> None:
    """Say of each whether it runs and answers."""
    for server in stack.servers:
        print(f"{server.name}: {_state(server)}")


def addresses(stack: LocalStack) -> dict[str, str]:
    """Where the servers are, in the names of our settings."""
    return {"KAFKA_BOOTSTRAP_SERVERS": stack.kafka.bootstrap_servers, "DATABASE_URL": stack.postgres.url}


COMMANDS = {"up": up, "down": down, "status": status}


def _ensure_up(server: Server) -> None:
    if server.pid is None:
        server.start(detached=True)
    elif not server.answers():
        raise NotStarted(
            f"{server.name} runs, pid {server.pid}, but does not answer; see {server.log}, then run `down`"
        )
    elif server.chosen_port not in (0, server.port):
        raise AlreadyRunning(
            f"{server.name} is up already, on port {server.port}; to move it to port {server.chosen_port}, "
            f"run `down` first"
        )


def _state(server: Server) -> str:
    if server.pid is None:
        return "down"
    answers = "answers" if server.answers() else "does not answer"
    return f"up, {answers} on port {server.port}, pid {server.pid}, log in {_shown(server.log)}"


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--kafka-port", type=int, default=0, metavar="N", help="any free one unless told")
    parser.add_argument("--postgres-port", type=int, default=0, metavar="N", help="any free one unless told")
    return parser
