"""Opens connections of the driver with what DATABASE_URL says, and with nothing else.

Every parameter is passed to the driver explicitly: those that are missing, it would read from environment variables of
libpq and from files in the home directory.
"""

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any

import asyncpg

from agent_runs.postgres import tls
from agent_runs.postgres.database_url import DatabaseUrl, InvalidUrl


async def connect(
    url: DatabaseUrl, application_name: str, timeout_s: float, **options: Any
) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a connection.

    Args:
        url: the parsed DATABASE_URL.
        application_name: the name of the session in `pg_stat_activity`.
        timeout_s: how long opening the connection may take.
        options: further arguments of `asyncpg.connect`.

    Raises:
        InvalidUrl: a part of the URL cannot be used: the message names it.
        ssl.SSLError: one side refuses the certificate of the other one; see `tls.refusal`.
        asyncpg.PostgresError: PostgreSQL refuses the connection.
        OSError, asyncpg.InterfaceError: the server does not answer in time, or ends the connection.
    """
    _check_password_file(url)
    parameters = _parameters(url, application_name) | options
    try:
        async with asyncio.timeout(timeout_s):
            return await _first_possible(tls.attempts(url.tls), parameters)
    except asyncpg.exceptions.ClientConfigurationError as error:
        raise InvalidUrl(str(error)) from error
    except asyncpg.PostgresConnectionError as error:
        # With TLS 1.3, the server refuses a client certificate after the handshake of the client has ended. What the
        # client then sees first is the alert of the server, or the end of the connection.
        if isinstance(error.__cause__, ssl.SSLError):
            raise error.__cause__ from error
        if "sslcert" in url.tls:
            raise type(error)(f"{error}: if this continues, correct sslcert and sslkey in DATABASE_URL") from error
        if isinstance(error, asyncpg.ConnectionDoesNotExistError):  # the driver's, not the server's
            raise ConnectionResetError("the connection was closed before an answer of PostgreSQL") from error
        raise
    except asyncpg.TargetServerAttributeNotMatched as error:
        wanted = url.driver["target_session_attrs"]
        raise ConnectionRefusedError(f"no host is what target_session_attrs={wanted} requires") from error


async def _first_possible(attempts: list[tls.Tls], parameters: dict[str, Any]) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect with TLS or without, as the last of the attempts if the others are refused."""
    for attempt in attempts[:-1]:
        try:
            return await asyncpg.connect(**parameters, ssl=attempt)
        except asyncpg.InvalidPasswordError:
            raise  # the same without TLS; and the password should not be sent again without it
        except (ConnectionError, ssl.SSLError, asyncpg.InvalidAuthorizationSpecificationError):
            pass  # no TLS here, or only TLS, or pg_hba.conf has a line for the other one
    return await asyncpg.connect(**parameters, ssl=attempts[-1])


def _parameters(url: DatabaseUrl, application_name: str) -> dict[str, Any]:
    return {
        "host": url.hosts,
        "port": url.ports,
        "user": url.user,
        # Empty, not None: otherwise the driver reads PGPASSWORD and ~/.pgpass.
        "password": None if url.passfile else url.password,
        "passfile": url.passfile,
        "database": url.database,
        "direct_tls": url.tls.get("sslnegotiation") == "direct",
        "target_session_attrs": "any",
        "krbsrvname": "postgres",  # libpq's default
        "gsslib": "sspi" if sys.platform == "win32" else "gssapi",  # the driver's default
        "timeout": None,
        # Further settings are set by statements, which connection poolers allow.
        "server_settings": {**url.server_settings, "application_name": application_name},
        **url.driver,
    }


def _check_password_file(url: DatabaseUrl) -> None:
    """Raise InvalidUrl if the password file cannot be read: the driver would ignore it."""
    if url.passfile is None:
        return
    try:
        with Path(url.passfile).open("rb"):
            pass
    except OSError as error:
        raise InvalidUrl(f"passfile={url.passfile} cannot be read: {error.strerror}") from error
