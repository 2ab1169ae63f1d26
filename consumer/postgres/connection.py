"""Opens connections of the driver with what DATABASE_URL says, and with nothing else.

Every parameter is passed to the driver explicitly: those that are missing, it would read from environment variables of
libpq and from files in the home directory.
"""

import asyncio
import ssl
from pathlib import Path
from typing import Any, Final

import asyncpg

from consumer import database_url
from consumer.database_url import DatabaseUrl
from consumer.errors import LoginRefused, UsageError
from consumer.postgres import tls
from consumer.postgres.sqlstate import translate_login
from consumer.settings import DatabaseConfig

APPLICATION_NAME: Final = "agent-runs-consumer"


async def open_connection(config: DatabaseConfig) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a connection, within `connect_timeout_s`.

    Raises:
        LoginRefused: PostgreSQL refuses the login or the database, or its certificate is not accepted.
        UsageError: a part of DATABASE_URL cannot be used: the message names it.
        OSError, asyncpg.InterfaceError: the server does not answer in time, or ends the connection.
    """
    try:
        url = database_url.parse(config.url)
    except database_url.InvalidUrl as error:
        raise UsageError(f"DATABASE_URL: {error}") from None
    _check_password_file(url)
    parameters = _parameters(url)
    try:
        async with asyncio.timeout(config.connect_timeout_s):
            return await _first_possible(tls.attempts(url.tls), parameters)
    except asyncpg.PostgresError as error:
        raise translate_login(error.sqlstate or "", str(error)) from error
    except asyncpg.exceptions.ClientConfigurationError as error:
        raise UsageError(f"DATABASE_URL: {error}") from error
    except ssl.SSLCertVerificationError as error:
        raise LoginRefused(
            f"the certificate of PostgreSQL is not accepted: {error.verify_message}: correct the certificate, or "
            "sslrootcert and the host in DATABASE_URL"
        ) from error


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


def _parameters(url: DatabaseUrl) -> dict[str, Any]:
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
        "timeout": None,
        # Other settings are set by a statement, which connection poolers allow: see `session_settings`.
        "server_settings": {**url.server_settings, "application_name": APPLICATION_NAME},
        **url.driver,
    }


def _check_password_file(url: DatabaseUrl) -> None:
    """Raise UsageError if the password file cannot be read: the driver would ignore it."""
    if url.passfile is None:
        return
    try:
        with Path(url.passfile).open("rb"):
            pass
    except OSError as error:
        raise UsageError(f"DATABASE_URL: passfile={url.passfile} cannot be read: {error.strerror}") from error
