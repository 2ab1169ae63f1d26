"""The user of PostgreSQL. PostgreSQL refuses to run as root, so a root process runs PostgreSQL as `nobody`."""

import os
import pwd
import shutil
from pathlib import Path

from deploy.local.errors import NoUnprivilegedUser

UNPRIVILEGED_USER = "nobody"  # exists on the supported systems


def is_root() -> bool:
    """Whether this process is root, and PostgreSQL must run as another user."""
    return os.geteuid() == 0


def unprivileged_prefix(directory: Path) -> list[str]:
    """The command prefix that runs a command as an unprivileged user with access to the directory.

    Empty if this process is not root. If other users cannot reach the directory (a checkout below /root), the command
    also gets the capability `dac_override`. The alternatives are worse: to change the modes of the parent directories,
    or to move the data out of the requested directory.

    Raises:
        NoUnprivilegedUser: this process is root, and the program `setpriv` is missing.
    """
    if not is_root():
        return []
    setpriv = shutil.which("setpriv", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    if setpriv is None:
        raise NoUnprivilegedUser(
            "PostgreSQL does not run as root, and the program `setpriv` is missing; "
            "run this as an unprivileged user, or install util-linux"
        )
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    prefix = [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=keep"]
    capabilities = (
        [] if has_searchable_parents(directory) else ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    )
    return [*prefix, *capabilities]


def has_searchable_parents(path: Path) -> bool:
    """Whether every user may search all parent directories of the path."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def make_private_directory(directory: Path) -> None:
    """Make an empty directory that only the user of PostgreSQL can access."""
    directory.mkdir(mode=0o700)
    if is_root():
        user = pwd.getpwnam(UNPRIVILEGED_USER)
        os.chown(directory, user.pw_uid, user.pw_gid)
