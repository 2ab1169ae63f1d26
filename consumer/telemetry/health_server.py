"""Serves health and metrics over HTTP, in threads of their own."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from agent_runs.escaping import escape_line
from consumer.errors import UsageError
from consumer.settings import ServiceConfig
from consumer.telemetry.observer import Observer

_StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Server(ThreadingMixIn, WSGIServer):
    """Handles each connection in a thread, because a connection that sends no request must not block a probe."""

    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    timeout = 5  # seconds, to read a request

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a line for each probe would flood the log."""


def serve_http(config: ServiceConfig, observer: Observer) -> WSGIServer | None:
    """Start a server for `/healthz` (200, or 503 with the problems) and `/metrics`; None if no port is set.

    The caller stops the server with `shutdown`.

    Raises:
        UsageError: the address cannot be bound.
    """
    if not config.http_port:
        return None
    try:
        server = make_server(config.http_host, config.http_port, _app(observer), _Server, _SilentHandler)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {config.http_host}:{config.http_port} ({error}): set AGENT_RUNS_HTTP_PORT to a free port"
        ) from error
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server


def _app(observer: Observer) -> Callable[[dict[str, Any], _StartResponse], Iterable[bytes]]:
    metrics = make_wsgi_app(observer.registry)

    def app(environ: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return cast("Iterable[bytes]", metrics(environ, start_response))
        is_healthz = environ["PATH_INFO"] == "/healthz"
        problems = observer.problems() if is_healthz else ["try /healthz or /metrics"]
        status = "404 Not Found" if not is_healthz else "503 Service Unavailable" if problems else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return ["\n".join([*map(escape_line, problems), ""]).encode() if problems else b"ok\n"]

    return app
