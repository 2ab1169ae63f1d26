"""Programs whose stdout and stderr are closed work, and print nothing."""

import os
import subprocess
import sys

import pytest

from agent_runs.standard_streams import open_closed_streams
from tests.support.paths import CHECKOUT

USAGE = 2  # exit code


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_closed_stream_is_replaced_by_one_that_discards_its_text(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sys, name, None)

    open_closed_streams()

    with getattr(sys, name) as stream:
        stream.write("text\n")
        stream.flush()
        assert not stream.isatty()


def test_an_open_stream_is_kept() -> None:
    before = sys.stdout, sys.stderr

    open_closed_streams()

    assert (sys.stdout, sys.stderr) == before


def test_an_error_that_cannot_be_printed_ends_the_program_with_its_exit_code() -> None:
    command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", sys.executable, "-m", "viewer"]
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("AGENT_RUNS_", "DATABASE_URL"))}

    assert subprocess.run(command, cwd=CHECKOUT, env=environ, check=False).returncode == USAGE
