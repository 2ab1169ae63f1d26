"""The emitter's log lines: safe to write anywhere, and limited in number."""

import logging
from time import monotonic
from typing import Final

from agent_runs.escaping import escape_line
from agent_runs.signal_safety import reraise_from_signal_handler

logger = logging.getLogger("agent_runs")

_PERIOD_S: Final = 60.0
_MAX_WARNINGS_PER_PERIOD: Final = 20


def log_safely(level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
    """Log a line; an exception raised by a log handler of the agent is ignored.

    Args:
        level: a level of `logging`.
        message: a format string.
        arguments: its values; text is escaped, so that it cannot forge a line.
        error: an exception whose traceback is logged too.
    """
    try:
        escaped = (escape_line(argument) if isinstance(argument, str) else argument for argument in arguments)
        logger.log(level, message, *escaped, exc_info=error)
    except Exception as failure:  # noqa: BLE001  # the handler is the agent's code, and logging is all we could do
        reraise_from_signal_handler(failure)


class RateLimitedLog:
    """Logs warnings: each subject at most once a minute, and at most twenty in all."""

    def __init__(self) -> None:
        self._period_start = -_PERIOD_S
        self._logged: set[str] = set()

    def warn(self, subject: str, message: str, *arguments: object, error: BaseException | None = None) -> None:
        """Log a warning unless one of the same subject was logged in this period."""
        now = monotonic()
        if now - self._period_start >= _PERIOD_S:
            self._period_start, self._logged = now, set()
        if subject not in self._logged and len(self._logged) < _MAX_WARNINGS_PER_PERIOD:
            self._logged.add(subject)
            log_safely(logging.WARNING, message, *arguments, error=error)
