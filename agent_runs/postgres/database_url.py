"""Reads DATABASE_URL, a connection URI as libpq defines it: `postgresql://user:password@host:port/database?sslmode=…`.

No message quotes the URL: an unencoded character in the password moves a part of the password into the host, the port
or the database name.
"""

import re
from getpass import getuser
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from agent_runs.server_addresses import can_be_looked_up

_DEFAULT_PORT: Final = 5432
_SCHEME: Final = re.compile(r"postgres(?:ql)?://")
_HOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\[\]:/]*)(?::(?P<port>\d*))?")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f]")

# Parameters with a meaning of their own; any other is a setting of the session, such as `work_mem`.
TLS_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_CONNECTION: Final = ("host", "port", "dbname", "database", "user", "password", "passfile")
_TLS: Final = (
    *("sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl"),
    *("sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
)
_DRIVER: Final = ("target_session_attrs", "krbsrvname", "gsslib")
_SESSION_ATTRIBUTES: Final = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
# Parameters of libpq that neither the driver nor the server has, each with the remedy.
_REFUSED: Final = {
    "connect_timeout": "set AGENT_RUNS_CONNECT_TIMEOUT_S instead",
    "search_path": "set AGENT_RUNS_SCHEMA instead",
    "service": "write the parameters of the connection into the URL",
    **dict.fromkeys(
        (
            *("channel_binding", "client_encoding", "fallback_application_name", "gssdelegation", "gssencmode"),
            *("hostaddr", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval"),
            *("load_balance_hosts", "max_protocol_version", "min_protocol_version", "oauth_client_id"),
            *("oauth_client_secret", "oauth_issuer", "oauth_scope", "replication", "require_auth", "requirepeer"),
            *("requiressl", "scram_client_key", "scram_server_key", "servicefile", "sslcertmode", "sslcompression"),
            *("sslcrldir", "sslkeylogfile", "sslsni", "tcp_user_timeout"),
        ),
        "remove it; the driver does not support it",
    ),
}
_ENCODE: Final = (
    "percent-encode special characters in user and password (%40 for @, %3A for :, %2F for /, %3F for ?, %23 for #, "
    "%25 for %, %5B for [, %5D for ])"
)
_FORM: Final = f"must be postgresql://user:password@host:port/database; {_ENCODE}"


class InvalidUrl(ValueError):
    """The URL cannot be used; the message states why and has no part of the URL."""


class DatabaseUrl(Struct, frozen=True, kw_only=True):
    """Where PostgreSQL is, and how to log in.

    Attributes:
        password: empty if the URL has none.
        passfile: the path of a password file; None if the URL names none.
        tls: the parameters of TLS by libpq's names; `sslmode` is always among them.
        driver: further parameters by the driver's names.
        server_settings: settings of the session.
    """

    hosts: list[str]
    ports: list[int]
    user: str
    password: str
    database: str
    passfile: str | None
    tls: dict[str, str]
    driver: dict[str, str]
    server_settings: dict[str, str]

    def __repr__(self) -> str:
        """Return the place without user and password."""
        return f"DatabaseUrl(hosts={self.hosts}, ports={self.ports}, database={self.database!r})"


def problems(url: str) -> list[str]:
    """Return why the URL cannot be used; empty if it can."""
    try:
        parse(url)
    except InvalidUrl as error:
        return [str(error)]
    return []


def parse(url: str) -> DatabaseUrl:
    """Read the URL.

    Raises:
        InvalidUrl: it cannot be used.
    """
    authority, path, query = _split(url.strip())
    login, _, places = authority.rpartition("@")
    user, _, password = login.partition(":")
    parameters = _parameters(query)
    hosts, ports = _hosts(parameters.get("host") or places, parameters.get("port"))
    user = parameters.get("user") or _decoded(user) or _user_of_process()
    tls: dict[str, str] = {name: parameters[name] for name in _TLS if name in parameters}
    if tls.setdefault("sslmode", "prefer") not in TLS_MODES:
        raise InvalidUrl(f"sslmode must be one of {', '.join(TLS_MODES)}")
    if parameters.get("target_session_attrs", "any") not in _SESSION_ATTRIBUTES:
        raise InvalidUrl(f"target_session_attrs must be one of {', '.join(_SESSION_ATTRIBUTES)}")
    return DatabaseUrl(
        hosts=hosts,
        ports=ports,
        user=user,
        password=parameters.get("password") or _decoded(password),
        database=parameters.get("dbname") or parameters.get("database") or _decoded(path) or user,
        passfile=parameters.get("passfile"),
        tls=tls,
        driver={name: parameters[name] for name in _DRIVER if name in parameters},
        server_settings={
            name: text for name, text in parameters.items() if name not in (*_CONNECTION, *_TLS, *_DRIVER)
        },
    )


def _split(url: str) -> tuple[str, str, str]:
    """Return the authority, the path and the query, still encoded."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise InvalidUrl(f"{_FORM} (the scheme has no `+driver`)")
    rest = url[scheme.end() :]
    for found, what in ((_CONTROL, "a space or a control character"), (_BAD_ESCAPE, "a % that encodes nothing")):
        if found.search(rest):
            raise InvalidUrl(f"has {what}; {_ENCODE}")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A second @, or an @ after the host, is a part of the password or follows one.
    if "#" in rest or rest.count("@") > authority.count("@") or authority.count("@") > 1:
        raise InvalidUrl(f"has a special character that is not encoded; {_FORM}")
    path, _, query = rest[len(authority) :].partition("?")
    if "[" in authority.rpartition("@")[0] or "]" in authority.rpartition("@")[0]:
        raise InvalidUrl(f"has a bracket in the user or password that is not encoded; {_ENCODE}")
    return authority, path.removeprefix("/"), query


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, equals, text = pair.partition("=")
        if not equals or not re.fullmatch(r"[a-zA-Z_][\w.]*", name):
            raise InvalidUrl(f"has a parameter after the ? that is not name=value; {_ENCODE}")
        if name in _REFUSED:
            raise InvalidUrl(f"has the parameter {name}: {_REFUSED[name]}")
        parameters[name] = _decoded(text)
    return parameters


def _hosts(places: str, ports: str | None) -> tuple[list[str], list[int]]:
    """Return the hosts and their ports; a host that begins with a slash is the directory of a Unix socket."""
    hosts: list[str] = []
    numbers: list[str] = []
    for place in places.split(","):
        host, number = (unquote(place), None) if place.startswith(("/", "%2F", "%2f")) else _host_and_port(place)
        hosts.append(host)
        numbers.append(number or str(_DEFAULT_PORT))
    if ports is not None:
        given = ports.split(",")
        numbers = given * len(hosts) if len(given) == 1 else given
    if len(numbers) != len(hosts):
        raise InvalidUrl("has another number of ports than of hosts")
    if not all(number.isascii() and number.isdigit() and 0 < int(number) < 65_536 for number in numbers):
        raise InvalidUrl(f"has a port that is not a number from 1 to 65535; {_ENCODE}")
    return hosts, [int(number) for number in numbers]


def _host_and_port(place: str) -> tuple[str, str | None]:
    match = _HOST.fullmatch(place)
    if match is None:
        raise InvalidUrl(f"has a host or port that is not valid; {_FORM}")
    host = unquote(match["host"].strip("[]"))
    if not host:
        raise InvalidUrl(f"names no host; {_FORM}, or ?host=/directory for a Unix socket")
    if not can_be_looked_up(host):
        raise InvalidUrl(f"has a host with a part, between its dots, that is empty or too long; {_FORM}")
    return host, match["port"]


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        decoded = "\0"  # not raised here: the other error, which has the text, would be its context
    if "\0" in decoded:
        raise InvalidUrl("has a percent-encoded part that is not UTF-8 text")
    return decoded


def _user_of_process() -> str:
    """Return the name of the operating system's user, libpq's default."""
    try:
        return getuser()
    except (KeyError, OSError) as error:  # in a container, the user may have a number only
        raise InvalidUrl(f"names no user; {_FORM}") from error
