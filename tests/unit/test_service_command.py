"""The command that runs the service."""

import subprocess
import sys

import pytest

# A module that is None cannot be imported, as one that is not installed.
MISSING = "import sys; sys.modules[{!r}] = None; from agent_runs.service_command import main; main()"


@pytest.mark.parametrize("package", ["click", "asyncpg"])
def test_a_missing_package_of_the_service_is_named_with_the_command_that_installs_it(package: str) -> None:
    command = [sys.executable, "-c", MISSING.format(package)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)

    remedy = f"error: the service needs the package '{package}': pip install 'agent-runs[service]'\n"
    assert (finished.returncode, finished.stderr) == (2, remedy)
