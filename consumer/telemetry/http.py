"""Health and metrics over HTTP, from a thread of their own."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from agent_runs.escaping import escape_line
from consumer.config import ServiceConfig
from consumer.errors import UsageError
from consumer.telemetry.observer import Observer

_StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection: one that is open and says nothing must not keep the probe waiting."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 5  # seconds, to read a request

    def log_message(self, format: str, *args: Any) -> None:
        """A line for each probe would drown the log."""


def serve_http(config: ServiceConfig, observer: Observer) -> WSGIServer | None:
    """Answer `/healthz` (200, or 503 with what is wrong) and `/metrics` until `shutdown`; None if no port is set.

    Raises:
        UsageError: the port is taken.
    """
    if not config.http_port:
        return None
    try:
        server = make_server(config.http_host, config.http_port, _app(observer), _Server, _Quiet)
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
        known = environ["PATH_INFO"] == "/healthz"
        problems = observer.problems() if known else ["try /healthz or /metrics"]
        status = "404 Not Found" if not known else "503 Service Unavailable" if problems else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return ["\n".join([*map(escape_line, problems), ""]).encode() if problems else b"ok\n"]

    return app
