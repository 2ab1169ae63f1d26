"""The event loop of a session, and the object that wakes it from an agent's thread.

By default asyncio resolves host names, and aiokafka checks passwords, in threads of an executor. While the process
ends, which is when a short program's events are sent, no thread can be started. This loop needs no threads: it blocks
instead, and only the delivery waits for that.
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
    """An event loop without threads, which can abort its connections."""

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
    """Handle errors of tasks that an abandoned client leaves behind: the failure itself was already logged."""
    _log.debug("%s", context.get("message"), exc_info=context.get("exception"))


class Waker:
    """Wakes a waiting event loop from any thread. It costs next to nothing while the loop does not wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wait: _Wait | None = None

    def wake(self) -> None:
        """End the wait of the loop, if it waits."""
        wait = self._wait
        # Waking takes a system call and releases the interpreter lock. For every event, this would cost the agent more
        # than all the rest of an emit.
        if wait is None or wait.is_woken:
            return
        with suppress(RuntimeError):  # the loop is closed; the next session takes records before it waits
            self._loop.call_soon_threadsafe(wait.woken.set)
        # Set after the call, because an exception from a signal handler can prevent the call; and on the wait that was
        # woken, because the next wait may have begun.
        wait.is_woken = True

    async def wait_unless(self, is_needed: Callable[[], bool]) -> None:
        """Wait until another thread calls `wake`; return at once if `is_needed()`."""
        wait = self._wait = _Wait()
        if not is_needed():  # called after the wait is visible, so that no wake-up is missed in between
            await wait.woken.wait()
        self._wait = None


class _Wait:
    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.is_woken = False
