"""The errors of the local servers. Each message states what happened and the remedy.

LocalStackError
├── DownloadFailed      a jar could not be downloaded
├── CorruptJar          the SHA-256 of a jar differs from the lock file
├── PortTaken           another program listens on the port
├── AlreadyRunning      the server of this directory is already running
├── NotStarted          the server ended, or was not ready in time; the message has the tail of its log
└── NoUnprivilegedUser  this process is root and cannot run PostgreSQL as another user
"""


class LocalStackError(Exception):
    """Base class of all errors of the local servers."""


class DownloadFailed(LocalStackError):
    """A jar could not be downloaded."""


class CorruptJar(LocalStackError):
    """The SHA-256 of a jar differs from the lock file."""


class PortTaken(LocalStackError):
    """Another program listens on the port."""


class AlreadyRunning(LocalStackError):
    """The server of this directory is already running."""


class NotStarted(LocalStackError):
    """The server ended, or was not ready in time."""


class NoUnprivilegedUser(LocalStackError):
    """This process is root and cannot run PostgreSQL as another user."""
