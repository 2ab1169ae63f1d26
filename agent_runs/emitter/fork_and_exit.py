"""Empties every pipeline in the child of a fork, and sends pending events before the process ends.

The child of a fork has its parent's memory and none of its threads. A lock may be held by a thread that does not exist
in the child, and the events that the parent sends must not be sent twice. So every pipeline starts empty in the child.
"""

import atexit
import os
from threading import Lock
from time import monotonic
from typing import ClassVar, Final, Protocol
from weakref import WeakSet

from agent_runs.emitter.exit_hooks import call_before_exit

_IMPORT_TIMEOUT_S: Final = 30.0  # the longest wait of a fork for an import in another thread


class Finishable(Protocol):
    """Something that the process finishes before it ends."""

    def finish(self, deadline: float) -> None:
        """Send pending events until the deadline (`time.monotonic`), and log the number that is left."""

    @property
    def exit_timeout_s(self) -> float:
        """The longest time that the end of the process waits for this object."""


class Resettable(Finishable, Protocol):
    """Something that starts empty in the child of a fork."""

    def reset(self) -> None:
        """Replace all state that belongs to the parent."""


class Process:
    """The state of one process.

    Attributes:
        running: deliveries with a thread. A delivery may outlive its pipeline.
        import_lock: held while a thread imports. A fork in the middle of an import would leave the child with half a
            module, and with an import lock of Python that no thread releases.
        is_ending: whether `finish` was called. An event emitted after it is sent in the call that emits it.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.running: set[Finishable] = set()
        self.import_lock = Lock()
        self.is_ending = False
        self._deadline = 0.0
        self._has_exit_hooks = False

    def add_running(self, delivery: Finishable) -> None:
        """Add a delivery to finish before the process ends."""
        self.running.add(delivery)
        if not self._has_exit_hooks:
            self._has_exit_hooks = True
            call_before_exit(_finish_current)

    def finish(self) -> None:
        """Send pending events within the longest `exit_timeout_s`. A second call has the rest of that time."""
        unfinished = {*self.running, *_Registry.pipelines}
        if not self.is_ending:
            self.is_ending = True
            self._deadline = monotonic() + max((each.exit_timeout_s for each in unfinished), default=0.0)
        for each in unfinished:
            each.finish(self._deadline)


class _Registry:
    """State that the child of a fork inherits and uses."""

    process: Process | None = None
    creation_lock = Lock()
    pipelines: ClassVar[WeakSet[Resettable]] = WeakSet()
    fork_holds_import_lock = False


def current_process() -> Process:
    """Return the state of the current process. In the child of a fork, the first call resets every pipeline."""
    process = _Registry.process
    if process is None:
        return _create()
    if process.pid != os.getpid():  # a server that forks in C does not run Python's fork hooks
        process = _Registry.process = Process()
        for pipeline in list(_Registry.pipelines):
            pipeline.reset()
    return process


def register(pipeline: Resettable) -> None:
    """Add a pipeline to reset in each child of a fork, and to finish before the process ends."""
    _Registry.pipelines.add(pipeline)


def _create() -> Process:
    with _Registry.creation_lock:
        if _Registry.process is None:
            if hasattr(os, "register_at_fork"):  # not on Windows
                os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=current_process)
            atexit.register(_finish_current)
            _Registry.process = Process()
    return _Registry.process


def _before_fork() -> None:
    _Registry.fork_holds_import_lock = current_process().import_lock.acquire(timeout=_IMPORT_TIMEOUT_S)


def _after_fork() -> None:
    if _Registry.fork_holds_import_lock:
        current_process().import_lock.release()


def _finish_current() -> None:
    current_process().finish()
