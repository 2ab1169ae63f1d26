"""The commands that run the service and the viewer."""

import subprocess
import sys

import pytest

# A module that is None cannot be imported, as one that is not installed.
MISSING = "import sys; sys.modules[{!r}] = None; import agent_runs.service_command as c; c.{}()"


@pytest.mark.parametrize(
    ("program", "extra", "package"),
    [("main", "service", "click"), ("main", "service", "asyncpg"), ("viewer", "viewer", "uvicorn")],
)
def test_a_missing_package_of_a_program_is_named_with_the_command_that_installs_it(
    program: str, extra: str, package: str
) -> None:
    command = [sys.executable, "-c", MISSING.format(package, program)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)

    remedy = f"error: the {extra} needs the package '{package}': pip install 'agent-runs[{extra}]'\n"
    assert (finished.returncode, finished.stderr) == (2, remedy)
