"""Decides who may use the viewer: the host, the token, and the user whom a proxy names."""

import binascii
import hmac
import re
import time
from base64 import b64decode
from ipaddress import IPv6Address, ip_network
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from viewer.errors import Failure
from viewer.settings import ViewerSettings, is_loopback

MAX_NAME: Final = 255  # characters of the name of a user
MAX_WRONG_TOKENS: Final = 100  # of one client in `_WINDOW_S`
STATIC_PATH: Final = "/static/"
_WINDOW_S: Final = 60.0
_MAX_CLIENTS: Final = 10_000
# A name or an IPv4 address, or an IPv6 address in brackets; no user, no path.
_HOST: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_REMEDY: Final = (
    "The viewer needs its token, the value of `AGENT_RUNS_VIEWER_TOKEN`. Load the page again, and type the token as "
    "the password, with any user name."
)
_REALM: Final = {"WWW-Authenticate": 'Basic realm="Agent Runs", charset="UTF-8"'}


class Access:
    """The rules by which a request is answered or refused.

    Without a token, the Host of a request must be a loopback name or one of AGENT_RUNS_VIEWER_ALLOWED_HOSTS, so that a
    page of another site cannot use the viewer by a name of its own that it points to 127.0.0.1 (DNS rebinding).

    Args:
        settings: the settings of the viewer.
    """

    def __init__(self, settings: ViewerSettings) -> None:
        self._token = None if settings.token is None else settings.token.encode()
        self._user_header = settings.user_header
        self._hosts = frozenset(settings.hosts)
        self._wrong_tokens = WrongTokens()

    def failure(self, scope: Scope) -> Failure | None:
        """Return why a request is not answered; None if it is. Sets `user` in the state of the request."""
        headers = Headers(scope=scope)
        failure = self._wrong_host(headers) or self._wrong_token(scope, headers)
        if failure is None and self._user_header:
            user = _user_name(headers.getlist(self._user_header))
            scope.setdefault("state", {})["user"] = user
            if user is None:
                failure = Failure(
                    403,
                    f"The header {self._user_header} must name the user, once, in at most {MAX_NAME} characters: use "
                    f"the address of the proxy, which sets it.",
                )
        return failure

    def _wrong_host(self, headers: Headers) -> Failure | None:
        if self._token is not None and not self._hosts:
            return None
        match = _HOST.fullmatch(headers.get("host", ""))
        name = "" if match is None else match["name"].lower()
        if name in self._hosts or is_loopback(name):
            return None
        if self._token is not None:
            return Failure(421, "The viewer answers only to the hosts of AGENT_RUNS_VIEWER_ALLOWED_HOSTS.")
        return Failure(
            421,
            "Without a token, the viewer answers only to 127.0.0.1, [::1], localhost, and the hosts of "
            "AGENT_RUNS_VIEWER_ALLOWED_HOSTS.",
        )

    def _wrong_token(self, scope: Scope, headers: Headers) -> Failure | None:
        # The page that asks for the token has a style, too. The files are those of the program, and hold no secret.
        if self._token is None or scope["path"].startswith(STATIC_PATH):
            return None
        client = _address_of(scope)
        if wait_s := self._wrong_tokens.wait_s(client):
            return Failure(
                429,
                f"Too many wrong tokens came from this address: try again in {wait_s} s.",
                headers={"Retry-After": str(wait_s)},
            )
        authorization = headers.get("authorization", "")
        if _has_token(authorization, self._token):
            return None
        if authorization:
            self._wrong_tokens.add(client)
        return Failure(401, _REMEDY, headers=_REALM)


class WrongTokens:
    """How many wrong tokens each client has sent; one that has sent too many must wait, whatever it sends then.

    A delay of the answer would not limit anything: a right token is answered at once, so a client need not wait for
    the answer to a wrong one. A client is an IPv4 address or an IPv6 network of 64 bits.
    """

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, int]] = {}  # the end of the window, and the tokens in it

    def add(self, client: str) -> None:
        """Count a wrong token."""
        now = time.monotonic()
        key = _network(client)
        end, count = self._counts.get(key, (now + _WINDOW_S, 0))
        if end <= now:
            end, count = now + _WINDOW_S, 0
        if key not in self._counts and len(self._counts) >= _MAX_CLIENTS:
            del self._counts[next(iter(self._counts))]
        self._counts[key] = end, count + 1

    def wait_s(self, client: str) -> int:
        """Return how many seconds a client must wait; 0 if it need not."""
        end, count = self._counts.get(_network(client), (0.0, 0))
        left_s = end - time.monotonic()
        return int(left_s) + 1 if count >= MAX_WRONG_TOKENS and left_s > 0 else 0


def client_of(scope: Scope) -> str:
    """Return who asks: the user whom the proxy names, else an IPv4 address or an IPv6 network of 64 bits."""
    user: str | None = scope.get("state", {}).get("user")
    return _network(_address_of(scope)) if user is None else f"user {user}"


def _address_of(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _network(client: str) -> str:
    try:
        return str(ip_network((IPv6Address(client.partition("%")[0]), 64), strict=False))
    except ValueError:
        return client


def _user_name(values: list[str]) -> str | None:
    """Return the name in a header; None if it is missing, repeated, empty, too long, or has unprintable characters."""
    if len(values) != 1:
        return None
    try:
        name = values[0].encode("latin-1").decode().strip()
    except UnicodeDecodeError:
        return None
    return name if name.isprintable() and 0 < len(name) <= MAX_NAME else None


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
