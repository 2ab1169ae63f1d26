"""The table that translates PostgreSQL's error codes (SQLSTATE) into the service's errors.

Source: PostgreSQL documentation, appendix A. The full code is looked up first, then its class (the first
two characters).
"""

from typing import Final

from consumer.errors import (
    Blocked,
    ConnectionLost,
    DataRefused,
    LoginRefused,
    NewConnection,
    OperatorNeeded,
    RepeatedIds,
    StoreError,
    Unavailable,
    UsageError,
)

_ERRORS: Final[dict[str, type[StoreError]]] = {
    "08": ConnectionLost,  # connection exception
    "22": DataRefused,  # data exception, for example a number or \u0000 that JSONB cannot store
    "23503": NewConnection,  # foreign_key_violation
    "23514": DataRefused,  # check_violation
    "25": Unavailable,  # invalid transaction state, for example read-only (25006)
    "26000": NewConnection,  # invalid_sql_statement_name
    "28": LoginRefused,  # invalid authorization
    "3D": LoginRefused,  # the database does not exist, or not yet
    "40": Unavailable,  # serialization failure, deadlock
    "53": Unavailable,  # insufficient resources: disk, memory, connections
    "54": DataRefused,  # program limit exceeded
    "55": Unavailable,  # object not in prerequisite state
    "55P03": Blocked,  # lock_not_available
    "57": Unavailable,  # operator intervention: cancelled, shutting down
    "57P01": ConnectionLost,  # admin_shutdown: a backend was terminated
    "57P02": ConnectionLost,  # crash_shutdown
    "57P03": Unavailable,  # cannot_connect_now
    "57P05": ConnectionLost,  # idle_session_timeout
    "25P03": ConnectionLost,  # idle_in_transaction_session_timeout
    "25P04": ConnectionLost,  # transaction_timeout
    "58": Unavailable,  # system error: I/O
    "0A000": NewConnection,  # feature_not_supported: "cached plan must not change result type"
}

EVENT_ID_CONSTRAINT: Final = "run_events_id_key"


def translate(sqlstate: str, message: str, constraint: str | None = None) -> StoreError | OperatorNeeded:
    """Return the error to raise in place of one that PostgreSQL reported.

    Args:
        sqlstate: PostgreSQL's five-character error code; empty if unknown.
        message: PostgreSQL's error message.
        constraint: the name of the violated constraint, if any.
    """
    if constraint == EVENT_ID_CONSTRAINT:
        return RepeatedIds(message)
    for prefix in (sqlstate, sqlstate[:2]):
        if prefix in _ERRORS:
            return _ERRORS[prefix](f"{message} (SQLSTATE {sqlstate})")
    return OperatorNeeded(f"PostgreSQL failed with SQLSTATE {sqlstate}: {message}")


# What an operator can do about a refused login. The first ones are codes, the others classes.
_LOGIN_REMEDIES: Final[dict[str, str]] = {
    "28P01": "correct the password in DATABASE_URL",
    "42501": "grant the login CONNECT on the database",
    "28": "create the login, allow it in pg_hba.conf, or correct the user in DATABASE_URL",
    "3D": "create the database, or correct its name in DATABASE_URL",
}


def translate_login(sqlstate: str, message: str) -> StoreError | OperatorNeeded | UsageError:
    """Return the error to raise in place of one that PostgreSQL reported before a connection was usable."""
    for prefix in (sqlstate, sqlstate[:2]):
        if prefix in _LOGIN_REMEDIES:
            return LoginRefused(
                f"PostgreSQL refuses the login: {message} (SQLSTATE {sqlstate}): {_LOGIN_REMEDIES[prefix]}"
            )
    if sqlstate[:2] in ("22", "42"):  # for example a parameter of the URL that the server does not know
        return UsageError(f"DATABASE_URL: PostgreSQL refuses the connection: {message} (SQLSTATE {sqlstate})")
    return translate(sqlstate, message)
