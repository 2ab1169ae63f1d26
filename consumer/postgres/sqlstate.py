"""The table that translates PostgreSQL's error codes (SQLSTATE) into the service's errors.

Source: PostgreSQL documentation, appendix A. The full code is looked up first, then its class (the first
two characters). Codes without an entry are those of a refused row, because a trigger may raise any code.
"""

from typing import Final, NamedTuple

from agent_runs.postgres.login_remedies import LOGIN_REMEDIES
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

_ERRORS: Final[dict[str, type[StoreError | OperatorNeeded]]] = {
    "": OperatorNeeded,
    "08": ConnectionLost,  # connection exception
    "0A": OperatorNeeded,  # feature_not_supported
    "0A000": NewConnection,  # "cached plan must not change result type"; see `_is_of_added_object`
    "23503": NewConnection,  # foreign_key_violation
    "25": Unavailable,  # invalid transaction state, for example read-only (25006)
    "25P03": ConnectionLost,  # idle_in_transaction_session_timeout
    "25P04": ConnectionLost,  # transaction_timeout
    "26000": NewConnection,  # invalid_sql_statement_name
    "28": LoginRefused,  # invalid authorization
    "3D": LoginRefused,  # the database does not exist, or not yet
    "40": Unavailable,  # serialization failure, deadlock
    "42": OperatorNeeded,  # a missing right, table or column; syntax error
    "53": Unavailable,  # insufficient resources: disk, memory, connections
    "42P05": NewConnection,  # duplicate_prepared_statement: of another client of a connection pooler
    "55": Unavailable,  # object not in prerequisite state
    "55P03": Blocked,  # lock_not_available
    "57": Unavailable,  # operator intervention: cancelled, shutting down
    "57P01": ConnectionLost,  # admin_shutdown: a backend was terminated
    "57P02": ConnectionLost,  # crash_shutdown
    "57P03": Unavailable,  # cannot_connect_now
    "57P05": ConnectionLost,  # idle_session_timeout
    "58": Unavailable,  # system error: I/O
}
# A smaller batch may stay below the limit. 57014 is statement_timeout; a user's request to cancel has the same code.
_LIMITS: Final = frozenset({"25P03", "25P04", "53200", "53400", "57014"})

_READ_ONLY: Final = "the server is a standby, or default_transaction_read_only is on for the login or the database"

_MISSING_RIGHT: Final = "aclcheck_error"  # the routine that reports 42501 for a table, a function or another object

EVENT_ID_CONSTRAINT: Final = "run_events_id_key"
_FOREIGN_KEYS: Final = ("", "run_events_run_fkey", "agent_runs_parent_fkey")  # "": PostgreSQL has not named it


class Origin(NamedTuple):
    """Where an error occurred in the server, by the fields of PostgreSQL's error message. Empty: not reported.

    Attributes:
        context: the call stack: one line for each function and for COPY, innermost first.
        routine: the function of PostgreSQL's source code. Unlike the message, it is not translated.
    """

    table: str = ""
    column: str = ""
    constraint: str = ""
    data_type: str = ""
    context: str = ""
    routine: str = ""

    @property
    def function(self) -> str:
        """The line of `context` that names the innermost SQL or PL function. Other lines may quote a message."""
        lines = (line.strip() for line in self.context.splitlines() if not line.startswith(("JSON", "SQL statement")))
        return next((line for line in lines if "PL/" in line or line.startswith("SQL function")), "")

    def objects(self) -> list[str]:
        """Return a description of each object that PostgreSQL reports, the function last."""
        of_table = f" of table {self.table}" if self.table else ""
        named = (("constraint or index", self.constraint), ("column", self.column), ("type", self.data_type))
        found = [f"{kind} {name}{of_table}" for kind, name in named if name]
        return [*found, self.function] if self.function else found


_UNKNOWN: Final = Origin()


def translate(sqlstate: str, message: str, origin: Origin = _UNKNOWN) -> StoreError | OperatorNeeded:
    """Return the error to raise in place of one that PostgreSQL reported.

    Args:
        sqlstate: PostgreSQL's five-character error code; empty if unknown.
        message: PostgreSQL's error message.
        origin: where the error occurred.
    """
    if sqlstate == "23505" and origin.constraint == EVENT_ID_CONSTRAINT:
        return RepeatedIds(message)
    kind = _ERRORS.get(sqlstate) or _ERRORS.get(sqlstate[:2], DataRefused)
    if kind in (NewConnection, OperatorNeeded) and _is_of_added_object(sqlstate, origin):
        kind = DataRefused
    if origin.routine == _MISSING_RIGHT:
        message = f"{message}: grant the login of the service this right, which an object of the tables may need"
    if sqlstate == "25006":
        message = f"{message}: {_READ_ONLY}"
    text = f"{message} (SQLSTATE {sqlstate})"
    if issubclass(kind, OperatorNeeded):
        return OperatorNeeded(f"PostgreSQL failed with SQLSTATE {sqlstate}: {message}")
    if issubclass(kind, Unavailable):
        return kind(text, limit_exceeded=sqlstate in _LIMITS)
    if issubclass(kind, DataRefused):
        return DataRefused("; ".join([text, *origin.objects()]), names_object=bool(origin.objects()))
    return kind(text)


def _is_of_added_object(sqlstate: str, origin: Origin) -> bool:
    """Whether the error is of an object that was added to the tables, such as a trigger or a policy."""
    match sqlstate:
        case _ if origin.function:
            return True  # the service's own tables call no function
        case "23503":
            return origin.constraint not in _FOREIGN_KEYS
        case "0A000":
            return origin.routine == "DoCopy"  # COPY FROM does not support row-level security
        case "42501":
            # A row-level security policy; or a right that a row of COPY needs, such as EXECUTE on the function of an
            # index or a constraint. A missing right on the table is reported before the first row, without a context.
            return origin.routine == "ExecWithCheckOptions" or bool(origin.routine == _MISSING_RIGHT and origin.context)
        case _:
            return False


# What an operator can do about a refused login, by code or class.
_LOGIN_REMEDIES: Final = {**LOGIN_REMEDIES, "42501": "grant the login CONNECT on the database"}


def translate_login(sqlstate: str, message: str) -> StoreError | OperatorNeeded | UsageError:
    """Return the error to raise in place of one that PostgreSQL reported before a connection was usable."""
    for prefix in (sqlstate, sqlstate[:2]):
        if prefix in _LOGIN_REMEDIES:
            return LoginRefused(
                f"PostgreSQL refuses the login: {message} (SQLSTATE {sqlstate}): {_LOGIN_REMEDIES[prefix]}"
            )
    if sqlstate == "08P01" and "does not exist" in message:  # the code of all errors of PgBouncer itself
        return LoginRefused(f"the pooler refuses the login: {message}: {_LOGIN_REMEDIES['3D']}")
    # For example a parameter of the URL that the server, or PgBouncer, does not know.
    if "startup parameter" in message or sqlstate[:2] in ("22", "42") or sqlstate == "55P02":
        return UsageError(
            f"DATABASE_URL: PostgreSQL refuses the connection: {message} (SQLSTATE {sqlstate}): remove the parameter"
        )
    error = translate(sqlstate, message)
    return OperatorNeeded(str(error)) if isinstance(error, DataRefused) else error
