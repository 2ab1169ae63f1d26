"""How emitters live through forks, and how they end with their process.

The child of a fork has its parent's memory, and none of its threads: locks may be held by nobody, and what the parent
will send must not be sent twice. So in a child everything begins anew, empty.
"""

import atexit
import os
import sys
from threading import Lock
from time import monotonic
from typing import ClassVar, Final, Protocol
from weakref import WeakSet

# A fork waits so long at most for an import that is under way.
_LONGEST_IMPORT_S: Final = 30.0


class Restartable(Protocol):
    """What begins anew in a child, and has something to finish before the end."""

    def begin_anew(self) -> None:
        """Forget what belongs to the parent."""

    def finish(self, deadline: float) -> None:
        """Send what is pending until that time (`time.monotonic`), and say what is left."""

    @property
    def exit_timeout_s(self) -> float:
        """How long the end of the process may wait for it."""


class Running(Protocol):
    """What has a thread, perhaps when nobody else knows it any more."""

    def finish(self, deadline: float) -> None:
        """Send what is pending until that time, and say what is left."""

    @property
    def exit_timeout_s(self) -> float:
        """How long the end of the process may wait for it."""


class Process:
    """One process.

    Attributes:
        running: what to finish before it ends, beside what is restartable.
        importing: held while a thread imports. A fork in the middle would leave the child a module that is half there,
            under a lock of Python's that nobody will open.
        is_ending: what is emitted from now on has only moments.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.running: set[Running] = set()
        self.importing = Lock()
        self.is_ending = False
        self._ends_at = 0.0
        self._finalises = False

    def started(self, running: Running) -> None:
        """It has something to finish from now on."""
        self.running.add(running)
        # A child of multiprocessing ends without asking atexit. (Half a module, which another thread is importing, has
        # no such name yet; in a child it is whole.)
        finalize = getattr(sys.modules.get("multiprocessing.util"), "Finalize", None)
        if finalize and not self._finalises:
            self._finalises = True
            finalize(None, _finish_all, exitpriority=0)

    def finish(self) -> None:
        """Send what is pending, within the longest of the timeouts. A second time there is only what is left of it."""
        everything = {*self.running, *_State.restartable}
        if not self.is_ending:
            self.is_ending = True
            self._ends_at = monotonic() + max((one.exit_timeout_s for one in everything), default=0.0)
        for one in everything:
            one.finish(self._ends_at)


class _State:
    """What outlives a fork."""

    process: Process | None = None
    beginning = Lock()
    restartable: ClassVar[WeakSet[Restartable]] = WeakSet()
    fork_holds_import = False


def current() -> Process:
    """The process that we are in; what came from its parent has begun anew when this returns."""
    process = _State.process
    if process is None:
        return _first()
    if process.pid != os.getpid():  # where a server forks in C, nobody has told us
        process = _State.process = Process()
        for restartable in list(_State.restartable):
            restartable.begin_anew()
    return process


def _first() -> Process:
    with _State.beginning:
        if _State.process is None:
            if hasattr(os, "register_at_fork"):  # not on Windows
                os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=current)
            atexit.register(_finish_all)
            _State.process = Process()
    return _State.process


def look_after(restartable: Restartable) -> None:
    """See that it begins anew in a child, and is finished before the end."""
    _State.restartable.add(restartable)


def _before_fork() -> None:
    _State.fork_holds_import = current().importing.acquire(timeout=_LONGEST_IMPORT_S)


def _after_fork() -> None:
    if _State.fork_holds_import:
        current().importing.release()


def _finish_all() -> None:
    current().finish()
