"""The settings of PostgreSQL that each session of the service sets, in place of those of its role and its database."""

from typing import Final

from agent_runs.settings import DEFAULT_SCHEMA
from consumer.settings import DatabaseConfig

# A statement that is too long is ended by PostgreSQL, a little before the consumer cuts the connection at its deadline:
# PostgreSQL then executes it no longer, and its error names the timeout.
_SHARE_OF_DEADLINE: Final = 0.9


def session_settings(config: DatabaseConfig) -> dict[str, str]:
    """Return the values by the names of the settings.

    Settings by which an operator decides on all writers are not among them: `default_transaction_read_only`,
    and `synchronous_commit`. Offsets and events are in one transaction, so that a server that loses its
    last transactions loses both.
    """
    return {
        # In `public` too: the migration library keeps its table there.
        "search_path": f'"{config.schema}", public' if config.schema != DEFAULT_SCHEMA else DEFAULT_SCHEMA,
        "statement_timeout": _milliseconds(config.timeout_s * _SHARE_OF_DEADLINE),
        "lock_timeout": _milliseconds(config.lock_timeout_s),
        # Releases the locks of a process that was stopped (SIGSTOP) between two statements. During a COPY this timeout
        # does not apply: see `terminate_stalled_owner`.
        "idle_in_transaction_session_timeout": _milliseconds(config.timeout_s),
        # The consumer has its own deadline for a transaction, and may be idle between two batches.
        "transaction_timeout": "0",
        "idle_session_timeout": "0",
        "default_transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
    }


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"  # 0 would be no limit
