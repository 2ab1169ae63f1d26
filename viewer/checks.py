"""Decides which requests are answered, and adds the security headers to every response.

Pure ASGI instead of Starlette's middleware classes, which wrap a response's stream.
"""

import binascii
import hmac
from base64 import b64decode
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viewer.errors import Failure, failure_response
from viewer.settings import is_loopback

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
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_REALM: Final = {"WWW-Authenticate": 'Basic realm="Agent Runs", charset="UTF-8"'}
_MAX_TARGET: Final = 8192  # bytes of the path and the query


class Checks:
    """An ASGI application that passes a request on if it is acceptable.

    Args:
        app: the application behind it.
        token: what a request must have as its Bearer token or as the password of HTTP Basic authentication. None: it
            needs neither, but its Host must be a loopback name, so that a page of another site cannot read the viewer
            by a name of its own that it points to 127.0.0.1 (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        is_static = scope["path"].startswith("/static/")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                # What runs contain is not kept on disk; a script is asked for again, and sent if it has changed.
                headers.setdefault("Cache-Control", "no-cache" if is_static else "no-store")
            await send(message)

        # The path is routed as it was sent, so that an id may have an encoded slash; handlers decode its parts.
        scope["path"] = scope["raw_path"].decode("latin-1")
        failure = self._failure(scope)
        app = self._app if failure is None else failure_response(Request(scope), failure)
        await app(scope, receive, send_with_headers)

    def _failure(self, scope: Scope) -> Failure | None:
        """Return why a request is not answered; None if it is."""
        headers = Headers(scope=scope)
        if len(scope["raw_path"]) + len(scope["query_string"]) > _MAX_TARGET:
            return Failure(414, f"The address is longer than {_MAX_TARGET} bytes.")
        if self._token is None:
            if not _is_local(headers.get("host", "")):
                return Failure(421, "Without a token, the viewer answers only to 127.0.0.1, [::1] and localhost.")
        elif not _has_token(headers.get("authorization", ""), self._token):
            return Failure(401, "The viewer needs its token: as the password, with any user name.", headers=_REALM)
        if scope["method"] not in ("GET", "HEAD"):
            return Failure(405, "The viewer only reads: use GET.", headers={"Allow": "GET, HEAD"})
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            return Failure(413, "A request to the viewer has no body.")
        return None


def _is_local(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _has_token(authorization: str, token: bytes) -> bool:
    """Whether a header has the token. The comparison takes equally long for every wrong one."""
    scheme, _, credentials = authorization.partition(" ")
    given = b""
    match scheme.lower():
        case "bearer":
            given = credentials.strip().encode("latin-1", "replace")
        case "basic":
            try:
                given = b64decode(credentials.strip(), validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                given = b""
    return hmac.compare_digest(given, token)
