"""Finds interpreters of Python, and makes an environment with the locked packages for each."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.matrix.row import Absent, Environment
from tests.support.paths import CHECKOUT

SETTING = "AGENT_RUNS_TEST_PYTHONS"
ENVIRONMENTS = CHECKOUT / ".venv-matrix"
PYENV = Path.home() / ".pyenv" / "versions"


def with_python(version: str) -> Callable[[], AbstractContextManager[Environment]]:
    """Return what opens an environment of this version, such as `3.14`."""

    @contextmanager
    def opened() -> Iterator[Environment]:
        interpreter = _find(version)
        python = _make_environment(interpreter, version)
        yield Environment(python, versions=(f"Python {_full_version(interpreter)}",))

    return opened


def _find(version: str) -> str:
    given = [path for path in os.environ.get(SETTING, "").split(os.pathsep) if path]
    on_path = [path for path in [shutil.which(f"python{version}")] if path]
    of_pyenv = [str(path) for path in sorted(PYENV.glob(f"{version}.*/bin/python"), reverse=True)]
    for candidate in (*given, *on_path, *of_pyenv):
        if _full_version(candidate).startswith(f"{version}."):
            return candidate
    raise Absent(
        f"Python {version} is not installed; install it, for instance with `pyenv install {version}`, and put it on "
        f"PATH or name the interpreter in {SETTING}."
    )


def _full_version(interpreter: str) -> str:
    """The version of an interpreter; empty if it cannot be run, as a shim of pyenv without a chosen version."""
    command = [interpreter, "-c", "import platform; print(platform.python_version())"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _make_environment(interpreter: str, version: str) -> str:
    """Install the locked packages for this interpreter. Returns the Python of the environment."""
    folder = ENVIRONMENTS / version
    python = str(folder / "bin" / "python")
    if not Path(python).exists() or _full_version(python) != _full_version(interpreter):
        _uv("venv", "--clear", "--python", interpreter, str(folder))
    install = ("pip", "install", "--python", python)
    _uv(*install, "--require-hashes", "-r", "requirements/dev.txt")
    _uv(*install, "--no-deps", "--no-build-isolation", "-e", ".")
    return python


def _uv(*arguments: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    command = [sys.executable, "-m", "uv", "--quiet", *arguments]
    subprocess.run(command, cwd=CHECKOUT, env=environ, check=True)
