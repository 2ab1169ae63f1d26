"""What can go wrong with the local servers. Every message names the thing and what to do about it.

LocalStackError
├── DownloadFailed    a jar could not be fetched
├── CorruptJar        a jar is not the one that the lock file names
├── PortTaken         another program listens there
├── AlreadyRunning    the directory's server is up
├── NotStarted        a server ended, or gave no answer in time; carries the tail of its log
└── NoPlainUser       we are root, and PostgreSQL cannot be run as somebody else
"""


class LocalStackError(Exception):
    """The local servers could not do what was asked."""


class DownloadFailed(LocalStackError):
    """A jar could not be fetched."""


class CorruptJar(LocalStackError):
    """A jar is not the one that the lock file names."""


class PortTaken(LocalStackError):
    """Another program listens on the port."""


class AlreadyRunning(LocalStackError):
    """The server of this directory is up."""


class NotStarted(LocalStackError):
    """A server ended, or gave no answer in time."""


class NoPlainUser(LocalStackError):
    """We are root, and PostgreSQL cannot be run as somebody else."""
