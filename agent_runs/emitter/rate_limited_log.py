"""Writes the emitter's log lines. The functions never raise, and the number of warnings is limited."""

import logging
from time import monotonic
from traceback import format_exception
from typing import Final

from agent_runs.escaping import escape_line, escape_lines
from agent_runs.signal_safety import reraise_from_signal_handler

logger = logging.getLogger("agent_runs")

_PERIOD_S: Final = 60.0
_MAX_WARNINGS_PER_PERIOD: Final = 20


def log_safely(level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
    """Log a line; an exception raised by a log handler of the agent is ignored.

    Args:
        level: a level of `logging`.
        message: a format string.
        arguments: the values of the format string; text is escaped, so that it cannot forge a line.
        error: an exception whose traceback is appended to the message, escaped and indented.
    """
    try:
        escaped = [escape_line(argument) if isinstance(argument, str) else argument for argument in arguments]
        if error is not None:  # not as `exc_info`: a log formatter writes that without escaping
            message += "\n    %s"
            escaped.append(escape_lines("".join(format_exception(error))))
        logger.log(level, message, *escaped)
    except Exception as failure:  # noqa: BLE001  # a log handler of the agent failed; the failure cannot be logged
        reraise_from_signal_handler(failure)


class RateLimitedLog:
    """Logs warnings: in each period at most one of a subject, and at most twenty in all.

    A period lasts at least a minute. It starts with the first warning after the end of the previous period.
    """

    def __init__(self) -> None:
        self._period_start = -_PERIOD_S
        self._logged: set[str] = set()

    def warn(self, subject: str, message: str, *arguments: object, error: BaseException | None = None) -> None:
        """Log a warning, unless this period has one of the same subject or has twenty already."""
        if self._is_due(subject):
            log_safely(logging.WARNING, message, *arguments, error=error)

    def skip(self, subject: str) -> None:
        """Log nothing of this subject in this period, because another line has its content."""
        self._is_due(subject)

    def _is_due(self, subject: str) -> bool:
        """Whether the subject may be logged now. It may not a second time in this period."""
        now = monotonic()
        if now - self._period_start >= _PERIOD_S:
            self._period_start, self._logged = now, set()
        if subject in self._logged or len(self._logged) >= _MAX_WARNINGS_PER_PERIOD:
            return False
        self._logged.add(subject)
        return True
