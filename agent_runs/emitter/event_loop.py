"""The event loop of a session, and the object that wakes it from an agent's thread.

By default asyncio resolves host names, and aiokafka computes the steps of a SASL login, in threads of an executor. No
thread can be started while the process ends, and a short program's events are sent at that time. This loop does that
work in the delivery thread, which blocks; agents' threads do not wait.

An application can replace parts of asyncio, as nest_asyncio does, and can turn threads into greenlets of one thread, as
gevent and eventlet do. So the loop makes tasks with the class of the interpreter; and while it waits, asyncio's running
loop and task of the thread are those of the application.
"""

import asyncio
import logging
import selectors
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar
from weakref import WeakSet

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")
try:
    from _asyncio import Task as _Task  # nest_asyncio replaces `asyncio.Task`
except ImportError:  # not CPython
    from asyncio import Task as _Task
# From Python 3.14 on, a thread has one current task for all its loops. Python 3.11 has no such function.
try:
    from _asyncio import _swap_current_task  # type: ignore[attr-defined]
except ImportError:

    def _swap_current_task(_loop: Any, _task: Any) -> Any:
        return None


class _State(NamedTuple):
    """What asyncio has set for a thread."""

    running_loop: asyncio.AbstractEventLoop | None
    current_task: Any
    generator_hooks: Any

    @classmethod
    def replace(cls, new: "_State") -> "_State":
        """Set the new state, and return the one before."""
        loop = asyncio._get_running_loop()  # noqa: SLF001  # documented for event loops
        task = _swap_current_task(loop, None) if loop is not None else None
        present = cls(loop, task, sys.get_asyncgen_hooks())
        asyncio._set_running_loop(new.running_loop)  # noqa: SLF001
        if new.running_loop is not None:
            _swap_current_task(new.running_loop, new.current_task)
        sys.set_asyncgen_hooks(*new.generator_hooks)
        return present


class _Selector(selectors.DefaultSelector):
    """A selector that waits with the state that the application has set."""

    application_state = _State(None, None, (None, None))

    def select(self, timeout: float | None = None) -> Any:
        with self.in_application_state():
            return super().select(timeout)

    @contextmanager
    def in_application_state(self) -> Iterator[None]:
        """Run the block, in which other greenlets may run, with the state of the application."""
        own = _State.replace(self.application_state)
        try:
            yield
        finally:
            self.application_state = _State.replace(own)


class SessionLoop(asyncio.SelectorEventLoop):
    """An event loop that starts no threads, and can abort its connections."""

    def __init__(self) -> None:
        self._own_selector = _Selector()
        super().__init__(self._own_selector)
        self.set_task_factory(_make_task)
        self._connections: WeakSet[asyncio.Transport] = WeakSet()
        self.set_exception_handler(_log_at_debug)

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        """Resolve a host name, in this thread."""
        with self._own_selector.in_application_state():
            return socket.getaddrinfo(*arguments, **options)

    @contextmanager
    def run_beside_application(self) -> Iterator[None]:
        """Allow this loop to run in the block, although the application may have a running loop in this thread."""
        self._own_selector.application_state = _State.replace(_State(None, None, (None, None)))
        try:
            yield
        finally:
            _State.replace(self._own_selector.application_state)

    def run_in_executor(  # type: ignore[override]
        self, _: Executor | None, func: Callable[..., _Result], *args: Any
    ) -> "asyncio.Future[_Result]":
        """Call the function at once, in this thread."""
        future: asyncio.Future[_Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # raised where the future is awaited
            future.set_exception(error)
        return future

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        """Connect, and remember the connection for `abort_connections`."""
        transport, protocol = await super().create_connection(*arguments, **options)
        self._connections.add(transport)
        return transport, protocol

    def abort_connections(self) -> None:
        """Close every connection at once; unsent data is discarded."""
        for connection in self._connections:
            with suppress(AttributeError):  # a closed TLS connection, in Python 3.11.2
                connection.abort()


def _make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
    return _Task(coroutine, loop=loop, **options)


def _log_at_debug(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log the errors of tasks that an abandoned client leaves behind. The failure itself was logged already."""
    _log.debug("%s", context.get("message"), exc_info=context.get("exception"))


class Waker:
    """Wakes a waiting event loop from any thread. While the loop does not wait, `wake` makes no system call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wait: _Wait | None = None

    def wake(self) -> None:
        """End the wait of the loop, if it waits."""
        wait = self._wait
        # A wake-up takes a system call and releases the interpreter lock. One for every event would take more of the
        # agent's time than the rest of the emit.
        if wait is None or wait.wake_sent:
            return
        with suppress(RuntimeError):  # if the loop is closed, the next session takes the records before it waits
            self._loop.call_soon_threadsafe(wait.event.set)
        # Set after the call, because an exception from a signal handler can prevent the call. Set on `wait` instead of
        # `self._wait`, because the next wait may have begun.
        wait.wake_sent = True

    async def wait_unless(self, has_work: Callable[[], bool]) -> None:
        """Wait until another thread calls `wake`; return at once if `has_work()`."""
        wait = self._wait = _Wait()
        if not has_work():  # called after `wake` can see the wait, so that no wake-up is missed in between
            await wait.event.wait()
        self._wait = None


class _Wait:
    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.wake_sent = False
