"""Configures logging to standard error. The service logs one line per message, with a stable `action` key."""

import logging
import sys

import structlog

from agent_runs.escaping import escape_line, escape_lines
from consumer.settings import ServiceConfig


def set_up_logging(config: ServiceConfig) -> None:
    """Configure structlog and the standard library's logging for this process."""
    console = [_escape_values, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(
                console if config.log_format == "console" else [structlog.processors.JSONRenderer()]
            ),  # JSON escapes control characters
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[config.log_level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if logging.lastResort is not None:  # handles the messages of libraries, because no other handler is configured
        logging.lastResort.setFormatter(_EscapingFormatter())
    _set_up_client_logs(shown=config.log_level == "debug")


def _set_up_client_logs(*, shown: bool) -> None:
    """Show the lines of aiokafka at DEBUG only: it logs every short interruption of a broker as an error.

    The service itself logs the interruptions that affect it. Its lines have the reason, which aiokafka only logs
    (`agent_runs/kafka/failures.py`), so warnings must not be disabled.
    """
    logger = logging.getLogger("aiokafka")
    logger.setLevel(logging.DEBUG if shown else logging.WARNING)
    if not shown:
        logger.addHandler(logging.NullHandler())  # in place of `lastResort`
    logging.getLogger("asyncio").addFilter(_is_not_of_cancelled_connect)


def _is_not_of_cancelled_connect(record: logging.LogRecord) -> bool:
    """Whether a line of asyncio is not about a connection of asyncpg that was cancelled while it asked for TLS.

    asyncpg leaves the end of such a connection in a future whose result is not retrieved. asyncio logs it with a
    traceback.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, ConnectionError) and str(error) == "unexpected connection_lost() call")


def _escape_values(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape control characters: a value may quote a record, and structlog prints text without spaces unchanged."""
    return {key: escape_line(value) if isinstance(value, str) else value for key, value in line.items()}


class _EscapingFormatter(logging.Formatter):
    """Escapes control characters in messages and tracebacks: the last line of a traceback may quote a record."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_lines(super().format(record))
