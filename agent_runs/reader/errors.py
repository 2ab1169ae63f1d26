"""The exceptions of the reader, and the translation of PostgreSQL's errors into them.

AgentRunsError
├── SettingsError            DATABASE_URL or a timeout is missing or invalid (agent_runs.errors)
└── ReaderError
    ├── MissingExtra         asyncpg is not installed
    ├── DatabaseUnavailable  PostgreSQL does not answer in time, or ended the connection; call again later
    │   └── ConnectionEnded  the second of these
    ├── DatabaseNotReady     the login, the tables or a right are missing; the message has the remedy
    └── InvalidCursor        the text is not a cursor that a page returned
"""

from typing import Final

from agent_runs.errors import AgentRunsError
from agent_runs.postgres.login_remedies import LOGIN_REMEDIES


class ReaderError(AgentRunsError):
    """Base class of the exceptions that the reader raises while reading."""


class MissingExtra(ReaderError):
    """asyncpg is not installed."""


class DatabaseUnavailable(ReaderError):
    """PostgreSQL does not answer in time, or ended the connection. The same call may succeed later."""


class ConnectionEnded(DatabaseUnavailable):
    """The connection could not be opened, or ended. A statement on a connection that was idle can be repeated."""


class DatabaseNotReady(ReaderError):
    """PostgreSQL answers, but cannot be read: the login, the tables or a right are missing."""


class InvalidCursor(ReaderError):
    """The text is not a cursor that a page returned."""


# What a user can do about an SQLSTATE. The full code is looked up first, then its class (the first two characters).
_REMEDIES: Final[dict[str, str]] = {
    **LOGIN_REMEDIES,
    "42P01": "create the tables with `agent-runs-consumer migrate`, or correct DATABASE_URL or AGENT_RUNS_SCHEMA",
    "42703": "the tables are older than this library: run `agent-runs-consumer migrate`",
    "42501": "let the login read: GRANT agent_runs_reader TO the login",
}
# The statement was ended by its timeout, or the server is short of resources, restarts, or is about to stop.
_UNAVAILABLE: Final = ("40", "53", "55", "57", "58", "25P04")
_ENDED: Final = ("08", "25P03", "57P01", "57P02", "57P05")


def translate(sqlstate: str, message: str) -> ReaderError:
    """Return the error to raise in place of one that PostgreSQL reported.

    Args:
        sqlstate: PostgreSQL's five-character error code.
        message: PostgreSQL's error message.
    """
    text = f"PostgreSQL: {message} (SQLSTATE {sqlstate})"
    for prefix in (sqlstate, sqlstate[:2]):
        if prefix in _REMEDIES:
            return DatabaseNotReady(f"{text}: {_REMEDIES[prefix]}")
        if prefix in _ENDED:
            return ConnectionEnded(text)
        if prefix in _UNAVAILABLE:
            return DatabaseUnavailable(text)
    return ReaderError(text)
