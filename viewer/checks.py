"""Decides which requests are answered, and adds the security headers to every response.

Pure ASGI instead of Starlette's middleware classes, which wrap a response's stream.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viewer.access import STATIC_PATH, Access
from viewer.errors import Failure, failure_response

# No script or style of a page is inline, and nothing is loaded from elsewhere. `require-trusted-types-for` refuses
# `innerHTML` and its like, so that no script of ours can make HTML of a payload.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it, a browser sends `Origin: null` with the form of our own page.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_MAX_HEADERS: Final = 16 * 1024  # bytes; Uvicorn limits them only while they come in parts
_MAX_TARGET: Final = 8192  # bytes of the path and the query
MAX_BODY: Final = 256 * 1024  # bytes
JSON_TYPE: Final = "application/json"
FORM_TYPE: Final = "application/x-www-form-urlencoded"
# The addresses that take a POST, and the type of its body.
_POSTS: Final = (
    (re.compile(r"/api/runs/[^/]+/answers"), JSON_TYPE),
    (re.compile(r"/runs/[^/]+/answers/[^/]+"), FORM_TYPE),
)


class Checks:
    """An ASGI application that passes a request on if it is acceptable.

    Args:
        app: the application behind it.
        access: who may use it.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        is_static = scope["path"].startswith(STATIC_PATH)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                # What runs contain is not kept on disk; a script is asked for again, and sent if it has changed.
                headers.setdefault("Cache-Control", "no-cache" if is_static else "no-store")
                if failure is not None and scope["method"] not in ("GET", "HEAD"):
                    headers["Connection"] = "close"  # the body of the request is not read
            await send(message)

        # The path is routed as it was sent, so that an id may have an encoded slash; handlers decode its parts.
        scope["path"] = scope["raw_path"].decode("latin-1")
        failure = self._failure(scope)
        app = self._app if failure is None else failure_response(Request(scope), failure)
        await app(scope, receive, send_with_headers)

    def _failure(self, scope: Scope) -> Failure | None:
        """Return why a request is not answered; None if it is."""
        if len(scope["raw_path"]) + len(scope["query_string"]) > _MAX_TARGET:
            return Failure(414, f"The address is longer than {_MAX_TARGET} bytes.")
        if sum(len(name) + len(text) for name, text in scope["headers"]) > _MAX_HEADERS:
            return Failure(431, f"The headers have more than {_MAX_HEADERS} bytes.", headers={"Connection": "close"})
        return self._access.failure(scope) or _wrong_method(scope)


def _wrong_method(scope: Scope) -> Failure | None:
    """Return why the method of a request, or its body, is refused; None if it is not."""
    headers = Headers(scope=scope)
    if scope["method"] in ("GET", "HEAD"):
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            return Failure(413, "A request with GET has no body.", headers={"Connection": "close"})
        return None
    type_of_body = next((kind for path, kind in _POSTS if path.fullmatch(scope["path"])), None)
    if scope["method"] != "POST" or type_of_body is None:
        methods = "GET, HEAD" if type_of_body is None else "POST"
        return Failure(405, f"This address answers only to {methods}.", headers={"Allow": methods})
    return _unacceptable_post(headers, type_of_body)


def _unacceptable_post(headers: Headers, type_of_body: str) -> Failure | None:
    if headers.get("content-type", "").partition(";")[0].strip().lower() != type_of_body:
        return Failure(415, f"The body must be {type_of_body}.")
    if not _is_same_origin(headers, needs_proof=type_of_body == FORM_TYPE):
        return Failure(403, "Answers are accepted from the pages of this viewer only, not from those of another site.")
    length = headers.get("content-length")
    if length is None or "transfer-encoding" in headers:
        return Failure(411, "A request with POST needs a Content-Length.")
    if len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
        return Failure(413, f"The body is larger than {MAX_BODY} bytes.")
    return None


def _is_same_origin(headers: Headers, *, needs_proof: bool) -> bool:
    """Whether a request that writes does not come from a page of another site.

    A browser adds its credentials to a request of any page. But it says in `Sec-Fetch-Site` or, for pages without
    TLS, in `Origin` whose page it was; both are headers that no page can set.

    Args:
        headers: of the request.
        needs_proof: whether a request with neither header is refused. A form of any site can be sent without asking
            the viewer first, JSON cannot: only a client that is not a browser sends JSON without `Origin`.
    """
    site, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
    if site:
        return site == ["same-origin"]
    if origins:
        return len(origins) == 1 and _host_of(origins[0]) == headers.get("host", "").lower()
    return not needs_proof


def _host_of(origin: str) -> str | None:
    """Return the host and the port of an origin; None if it has no host."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
