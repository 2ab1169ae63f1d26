"""Builds the wheel and installs it into a virtual environment that does not see the checkout."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import CHECKOUT


@dataclass(frozen=True)
class InstalledWheel:
    """A virtual environment with the wheel."""

    folder: Path

    @property
    def site_packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))

    def program(self, name: str) -> str:
        """The path of a program of the environment, such as `python`."""
        return str(self.folder / "bin" / name)


def install_wheel(folder: Path, *, with_dependencies: bool) -> InstalledWheel:
    """Build the wheel, and install it with the extras `service` and `viewer` into an environment in `folder`.

    With dependencies, pip's index provides them. Without, the environment uses those of the running tests.
    """
    uv = [sys.executable, "-m", "uv", "--quiet"]
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")])
    (wheel,) = (folder / "dist").iterdir()
    installed = InstalledWheel(folder / "venv")
    _run([*uv, "venv", "--python", sys.executable, str(installed.folder)])
    requirements = [f"{wheel}[service,viewer]"] if with_dependencies else ["--no-deps", str(wheel)]
    _run([*uv, "pip", "install", "--python", installed.program("python"), *requirements])
    if not with_dependencies:
        # The path of the packages only: Python ignores the file in it that adds the checkout to the path.
        (installed.site_packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return installed


def _run(command: Sequence[str]) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(command, cwd=CHECKOUT, env=environ, check=True)
