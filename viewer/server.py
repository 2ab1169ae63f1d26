"""The process of the viewer: its socket, its HTTP server, its signals and its exit codes."""

import asyncio
import errno
import logging
import signal
import socket
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import uvicorn

from agent_runs.emitter.settings import Config
from agent_runs.errors import AgentRunsError, SettingsError
from agent_runs.escaping import escape_line, escape_lines
from agent_runs.reader import DatabaseNotReady, DatabaseUnavailable, Reader
from viewer.access import Access
from viewer.app import create_app
from viewer.connections import Connection, allow_connections, bound_unsent
from viewer.live import LiveRuns
from viewer.live_lists import LiveLists
from viewer.settings import ViewerSettings, read_kafka_config, read_viewer_settings

_DONE, _USAGE, _UNEXPECTED = 0, 2, 3
_CONNECTIONS: Final = 4  # to PostgreSQL
_MAX_REQUEST_HEAD: Final = 16 * 1024  # bytes of the request line and the headers
_MAX_CONNECTIONS: Final = 2000
_STOP_S: Final = 3  # for requests that are being answered when a signal comes


class CannotListen(AgentRunsError):
    """The address is in use, or does not belong to this machine."""


class _Server(uvicorn.Server):
    """Uvicorn's server; ends event streams before it waits for open connections, and exits with 0 after a signal."""

    def __init__(self, config: uvicorn.Config, *streams: LiveRuns | LiveLists) -> None:
        super().__init__(config)
        self._streams = streams

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals in the event loop. Uvicorn raises them again after its end, which is then not an exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then everything else."""
        for streams in self._streams:
            streams.close()
        await super().shutdown(sockets)


def run(environ: Mapping[str, str]) -> int:
    """Serve until a signal, and return the exit code; print one line for each problem."""
    try:
        asyncio.run(_serve(read_viewer_settings(environ), read_kafka_config(environ)))
    except AgentRunsError as error:  # settings, the address or the database
        for line in str(error).split("\n"):
            sys.stderr.write(f"error: {escape_line(line)}\n")
        return _USAGE
    except KeyboardInterrupt:  # before the server handles signals
        return _DONE
    except Exception:  # noqa: BLE001  # a bug
        sys.stderr.write(escape_lines(traceback.format_exc()) + "\n")
        return _UNEXPECTED
    return _DONE


async def _serve(settings: ViewerSettings, kafka: Config | None) -> None:
    async with Reader(timeout_s=settings.timeout_s, pool_size=_CONNECTIONS) as reader:
        await _check_database(reader)
        listener = listen(settings.host, settings.port)
        live, lists = LiveRuns(reader), LiveLists(reader)
        config = uvicorn.Config(
            create_app(reader, live, lists, kafka, Access(settings)),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MAX_CONNECTIONS,
            h11_max_incomplete_event_size=_MAX_REQUEST_HEAD,
            timeout_graceful_shutdown=_STOP_S,
            http=Connection,
            ws="none",
        )
        _set_up_logging()
        allow_connections()
        sys.stdout.write(f"The viewer is at {address_of(listener)}\n")
        sys.stdout.flush()
        await _Server(config, live, lists).serve(sockets=[listener])


class _Formatter(logging.Formatter):
    """Escapes what is logged: a traceback may quote what a run contains."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_lines(super().format(record))


def _set_up_logging() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # any client can cause a warning with each request
    # Its errors are raised, and pages show them. Not a higher level: `failure_behind` reads the lines.
    logging.getLogger("aiokafka").propagate = False


async def _check_database(reader: Reader) -> None:
    """Warn if the tables cannot be read: the pages wait for PostgreSQL, and for an operator who creates the tables.

    Raises:
        SettingsError: DATABASE_URL cannot be used.
    """
    try:
        await reader.list_runs(limit=1)
    except (DatabaseUnavailable, DatabaseNotReady) as error:
        sys.stderr.write(f"warning: {escape_line(str(error))}; until then, the pages say so\n")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        CannotListen: the port is in use, or the host is not of this machine.
        SettingsError: the host has no address.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise SettingsError([f"AGENT_RUNS_VIEWER_HOST: {host!r} has no address: {error}"]) from error
    try:
        listener = socket.create_server(address, family=family, backlog=512)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(f"AGENT_RUNS_VIEWER_PORT: port {port} of {host} is in use: set another one") from error
        raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror}") from error
    # Its connections inherit this. Without it, the body of an answer waits until the client has acknowledged the head,
    # up to 40 ms. asyncio sets it only for sockets that were made with IPPROTO_TCP.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound_unsent(listener)
    return listener


def address_of(listener: socket.socket) -> str:
    """Return the address of a listening socket as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
