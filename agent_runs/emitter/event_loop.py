"""The event loop of a session, and the object that wakes it from an agent's thread.

By default asyncio resolves host names, and aiokafka computes the steps of a SASL login, in threads of an executor. No
thread can be started while the process ends, and a short program's events are sent at that time. This loop does that
work in the delivery thread, which blocks; agents' threads do not wait.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakSet

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class SessionLoop(asyncio.SelectorEventLoop):
    """An event loop that starts no threads, and can abort its connections."""

    def __init__(self) -> None:
        super().__init__()
        self._connections: WeakSet[asyncio.Transport] = WeakSet()
        self.set_exception_handler(_log_at_debug)

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        """Resolve a host name, in this thread."""
        return socket.getaddrinfo(*arguments, **options)

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
            connection.abort()


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
