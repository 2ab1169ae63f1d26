"""Programs that start local servers: a short script, and the command line of `deploy.local`."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.paths import CHECKOUT

STARTER = """
import sys
from pathlib import Path
from deploy.local import LocalStack

with LocalStack(Path(sys.argv[1]), durable=False) as stack:
    print(stack.kafka.pid, stack.postgres.pid, flush=True)
    sys.stdin.read()
"""


class Starter:
    """A program with a local stack, which it stops when its standard input ends; killed at the end of the block."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )

    def __enter__(self) -> list[int]:
        """The servers' process ids, once they are up."""
        assert self.process.stdout is not None
        return [int(pid) for pid in self.process.stdout.readline().split()]

    def __exit__(self, *_: object) -> None:
        with self.process:
            self.process.kill()


def local_stack(checkout: Path, *arguments: str, expect: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run `python -m deploy.local` in a checkout, and require its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", *arguments],
        cwd=checkout,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def shell_environment(checkout: Path) -> dict[str, str]:
    """The environment of a shell after it has read the checkout's `.local/env`."""
    script = "set -a; . ./.local/env; env"
    done = subprocess.run(["/bin/sh", "-c", script], cwd=checkout, env={}, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
