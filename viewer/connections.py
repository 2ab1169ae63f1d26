"""The HTTP connections of the viewer: a client that sends a request or reads an answer too slowly is disconnected."""

import asyncio
import resource
import socket
from contextlib import suppress
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from agent_runs.emitter.rate_limited_log import RateLimitedLog

REQUEST_S = 10.0  # from the start of a connection, or the end of an answer, to the end of the next request's headers
READ_S = 30.0  # in which a client must read `_LEAST_READ` bytes of what waits for it
_LEAST_READ: Final = 16 * 1024
_WAITING: Final = 32 * 1024  # bytes for a connection, after which a stream does not write more to it
MAX_WAITING = 32 * 1024 * 1024  # bytes for all connections
_UNSENT: Final = 64 * 1024  # bytes for a connection in the kernel, which would keep megabytes
_OPEN_FILES: Final = 4096


class Connection(H11Protocol):
    """A connection that is closed if a request does not come in time, or if the answer is not read.

    Uvicorn limits only the time between two requests, and that limit ends with the first byte of the second one. So
    clients that send their headers slowly, or not at all, could hold all connections. And clients that do not read
    could make the process keep any number of answers.
    """

    # The connections with much that is not read, those first that were not read for longest.
    _unread: ClassVar[dict["Connection", asyncio.TimerHandle]] = {}
    _log: ClassVar = RateLimitedLog()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as Uvicorn declares it
        """Begin to wait for a request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_WAITING)
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        """Stop to wait when the headers of a request are complete."""
        cycle = self.cycle
        super().data_received(data)
        if self.cycle is not cycle:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, unless it has come already."""
        cycle = self.cycle
        self._wait_for_request()
        super().on_response_complete()
        if self.cycle is not cycle:
            self._stop_waiting()

    def pause_writing(self) -> None:
        """Begin to wait for the client to read; disconnect others if too much waits for them all."""
        super().pause_writing()
        self._wait_for_reading(self.transport.get_write_buffer_size())
        while sum(each.transport.get_write_buffer_size() for each in self._unread) > MAX_WAITING:
            next(iter(self._unread)).cut(f"more than {MAX_WAITING} bytes wait for clients that do not read")

    def resume_writing(self) -> None:
        """Stop to wait for the client to read."""
        self._has_read()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._stop_waiting()
        self._has_read()
        super().connection_lost(exc)

    def _wait_for_request(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _wait_for_reading(self, unread: int) -> None:
        self._unread[self] = self.loop.call_later(READ_S, self._check_reading, unread)

    def _has_read(self) -> None:
        if (timer := self._unread.pop(self, None)) is not None:
            timer.cancel()

    def _check_reading(self, unread: int) -> None:
        left = self.transport.get_write_buffer_size()
        if unread - left < _LEAST_READ:
            self.cut(f"it has read less than {_LEAST_READ} bytes in {READ_S:g} s")
        else:
            self._wait_for_reading(left)

    def cut(self, reason: str) -> None:
        """End the connection. The client is not told: it would not read that, either."""
        self._has_read()
        self._log.warn("unread", "The client %s was disconnected: %s", (self.client or ("",))[0], reason)
        self.transport.abort()


def bound_unsent(listener: socket.socket) -> None:
    """Let the kernel keep little of what the connections of a socket have not sent, where it can be told so."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)


def allow_connections() -> None:
    """Raise the limit of open files of this process, if it is low and may be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
