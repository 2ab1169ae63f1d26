"""Serves health and metrics over HTTP, in threads of their own."""

import asyncio
import errno
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from socketserver import ThreadingMixIn
from typing import Any, Final, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from agent_runs.escaping import escape_line
from consumer.errors import UsageError
from consumer.settings import ServiceConfig
from consumer.telemetry.observer import Observer

_EVENT_LOOP_REPORT_S: Final = 1.0
_StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Server(ThreadingMixIn, WSGIServer):
    """Handles each connection in a thread, because a connection that sends no request must not block a probe."""

    daemon_threads = True


class _IPv6Server(_Server):
    address_family = socket.AF_INET6


class _SilentHandler(WSGIRequestHandler):
    timeout = 5  # seconds, to read a request

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a line for each probe would flood the log."""


@asynccontextmanager
async def http_server(config: ServiceConfig, observer: Observer) -> AsyncIterator[None]:
    """Serve metrics and three probes during the block; nothing if no port is set.

    Also reports to the observer every second that the event loop runs.

    Raises:
        UsageError: the address cannot be bound.
    """
    if not config.http_port:
        yield
        return
    server = _bind(config, observer)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    reporting = asyncio.create_task(_report_event_loop(observer), name="report event loop")
    try:
        yield
    finally:
        reporting.cancel()
        server.shutdown()
        server.server_close()


def _bind(config: ServiceConfig, observer: Observer) -> WSGIServer:
    server = _IPv6Server if ":" in config.http_host else _Server
    try:
        return make_server(config.http_host.strip("[]"), config.http_port, _app(observer), server, _SilentHandler)
    except OSError as error:
        what = "AGENT_RUNS_HTTP_PORT to a free port"
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            what = "AGENT_RUNS_HTTP_HOST to an address of this machine, such as 127.0.0.1 or 0.0.0.0"
        raise UsageError(f"cannot listen on {config.http_host}:{config.http_port} ({error}): set {what}") from error


async def _report_event_loop(observer: Observer) -> None:
    while True:
        observer.on_event_loop()
        await asyncio.sleep(_EVENT_LOOP_REPORT_S)


def _app(observer: Observer) -> Callable[[dict[str, Any], _StartResponse], Iterable[bytes]]:
    metrics = make_wsgi_app(observer.registry)
    probes = {
        "/healthz": observer.problems,
        "/livez": observer.live_problems,
        "/readyz": observer.ready_problems,
    }

    def app(environ: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return cast("Iterable[bytes]", metrics(environ, start_response))
        probe = probes.get(path)
        problems = probe() if probe else ["try /healthz, /livez, /readyz or /metrics"]
        status = "404 Not Found" if probe is None else "503 Service Unavailable" if problems else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return ["\n".join([*map(escape_line, problems), ""]).encode() if problems else b"ok\n"]

    return app
