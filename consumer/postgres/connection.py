"""Opens the connections of the service, and translates the driver's errors of a login."""

import ssl
from typing import Final

import asyncpg

from agent_runs.postgres import database_url, tls
from agent_runs.postgres.connect import connect
from agent_runs.postgres.unreachable import missing_tls, unreachable
from consumer.errors import ConnectionLost, LoginRefused, UsageError
from consumer.postgres.sqlstate import translate_login
from consumer.settings import DatabaseConfig

APPLICATION_NAME: Final = "agent-runs-consumer"


async def open_connection(config: DatabaseConfig) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a connection, within `connect_timeout_s`.

    Raises:
        LoginRefused: PostgreSQL refuses the login or the database, has no TLS although `sslmode` requires it, or its
            certificate is not accepted.
        UsageError: a part of DATABASE_URL cannot be used: the message names it.
        ConnectionLost: the server does not answer in time, or ends the connection.
    """
    try:
        url = database_url.parse(config.url)
        return await connect(url, APPLICATION_NAME, config.connect_timeout_s)
    except database_url.InvalidUrl as error:
        raise UsageError(f"DATABASE_URL: {error}") from error.__cause__
    except asyncpg.PostgresError as error:
        one_line = " ".join(str(error).split())  # a hint is a line of its own
        raise translate_login(error.sqlstate or "", one_line) from error
    except (OSError, EOFError, asyncpg.InterfaceError) as error:
        raise _unreachable(error, config.connect_timeout_s) from error


def _unreachable(error: Exception, timeout_s: float) -> LoginRefused | ConnectionLost:
    """Return the error to raise in place of one that occurred before PostgreSQL could answer. No part of the URL."""
    if refused := missing_tls(error) or (isinstance(error, ssl.SSLError) and tls.refusal(error)):
        return LoginRefused(refused)
    return ConnectionLost(unreachable(error, timeout_s))
