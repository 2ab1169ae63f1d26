"""PostgreSQL refuses to run as root. Where we are root it runs as `nobody`, who exists everywhere."""

import os
import pwd
import shutil
from pathlib import Path

from deploy.local.errors import NoPlainUser

PLAIN_USER = "nobody"


def is_root() -> bool:
    """Whether we may do everything, and so must not run PostgreSQL ourselves."""
    return os.geteuid() == 0


def plain_user_prefix(directory: Path) -> list[str]:
    """What to put before a command so that it runs as a plain user who may use the directory. Empty if we are one.

    A checkout below /root is closed to that user. Rather than open the parents' modes, or move the data out of the
    directory that was asked for, its processes get the capability to pass.
    """
    if not is_root():
        return []
    setpriv = shutil.which("setpriv", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    if setpriv is None:
        raise NoPlainUser("PostgreSQL does not run as root, and there is no `setpriv`; run this as a plain user")
    user = pwd.getpwnam(PLAIN_USER)
    prefix = [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=keep"]
    passes = [] if is_open(directory) else ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [*prefix, *passes]


def is_open(path: Path) -> bool:
    """Whether every user may reach the path."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def give_to_plain_user(directory: Path) -> None:
    """Make an empty directory, private to the user that PostgreSQL runs as."""
    directory.mkdir(mode=0o700)
    if is_root():
        user = pwd.getpwnam(PLAIN_USER)
        os.chown(directory, user.pw_uid, user.pw_gid)
