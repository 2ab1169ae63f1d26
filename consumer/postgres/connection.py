"""Opens the connections of the service, and translates the driver's errors of a login."""

import ssl
from typing import Final

import asyncpg

from agent_runs.postgres import database_url
from agent_runs.postgres.connect import connect
from consumer.errors import LoginRefused, UsageError
from consumer.postgres.sqlstate import translate_login
from consumer.settings import DatabaseConfig

APPLICATION_NAME: Final = "agent-runs-consumer"
_NO_TLS: Final = "rejected SSL upgrade"  # the driver has no class for this error


async def open_connection(config: DatabaseConfig) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a connection, within `connect_timeout_s`.

    Raises:
        LoginRefused: PostgreSQL refuses the login or the database, has no TLS although `sslmode` requires it, or its
            certificate is not accepted.
        UsageError: a part of DATABASE_URL cannot be used: the message names it.
        OSError, asyncpg.InterfaceError: the server does not answer in time, or ends the connection.
    """
    try:
        url = database_url.parse(config.url)
        return await connect(url, APPLICATION_NAME, config.connect_timeout_s)
    except database_url.InvalidUrl as error:
        raise UsageError(f"DATABASE_URL: {error}") from error.__cause__
    except ConnectionError as error:
        if _NO_TLS in str(error):
            raise LoginRefused(
                f"{error}: the server has no TLS: set ssl = on there, or correct the host or sslmode in DATABASE_URL"
            ) from error
        raise
    except asyncpg.PostgresError as error:
        raise translate_login(error.sqlstate or "", str(error)) from error
    except ssl.SSLCertVerificationError as error:
        raise LoginRefused(
            f"the certificate of PostgreSQL is not accepted: {error.verify_message}: correct the certificate, or "
            "sslrootcert and the host in DATABASE_URL"
        ) from error
