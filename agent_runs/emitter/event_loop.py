"""An event loop for nobody but the delivery: it needs no threads, and can cut its connections.

By default a loop looks names up, and aiokafka checks passwords, in threads of an executor. It can start none while the
process ends, which is when a short program's events are sent. Here the only one to wait is the delivery itself.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar
from weakref import WeakSet

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class Loop(asyncio.SelectorEventLoop):
    """For one session."""

    def __init__(self) -> None:
        super().__init__()
        self._connections: WeakSet[asyncio.Transport] = WeakSet()
        self.set_exception_handler(_note)

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        """Look a name up, here and now."""
        return socket.getaddrinfo(*arguments, **options)

    def run_in_executor(  # type: ignore[override]
        self, _: Executor | None, func: Callable[..., _Result], *args: Any
    ) -> "asyncio.Future[_Result]":
        """Run it, here and now."""
        future: asyncio.Future[_Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # it is for whoever awaits it
            future.set_exception(error)
        return future

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        """Connect, and remember the connection."""
        transport, protocol = await super().create_connection(*arguments, **options)
        self._connections.add(transport)
        return transport, protocol

    def cut(self) -> None:
        """Close every connection, whatever is still to be written to it."""
        for connection in self._connections:
            connection.abort()


def _note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a client that was given up leaves behind is no news: the failure itself was told."""
    _log.debug("%s", context.get("message"), exc_info=context.get("exception"))
