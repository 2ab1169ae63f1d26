"""The words of the Kafka client, kept back: it tells of every attempt, and an emitter of an outage only once."""

import logging
from threading import local

from agent_runs.emitter.rate_limited_log import log

_CLIENT = "aiokafka"


class _Thread(local):
    """Of a delivery, or of somebody else who uses the same client."""

    is_ours = False
    heard = ""


_thread = _Thread()


def hush() -> None:
    """Keep back what the client logs in this thread; in every other it may speak. At DEBUG nothing is kept back."""
    _thread.is_ours = True
    _thread.heard = ""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == _CLIENT:
            logging.getLogger(name).addFilter(_filter)


def last_words() -> str:
    """Why the client could not do what it was asked to: it says so here, and raises something more general."""
    return _thread.heard


def _filter(record: logging.LogRecord) -> bool:
    if not _thread.is_ours:
        return True
    if record.levelno >= logging.WARNING:
        _thread.heard = record.getMessage()
    return log.isEnabledFor(logging.DEBUG)
