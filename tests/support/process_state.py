"""The state of a process that all tests of it share: signal handlers, environment, logging."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from signal import SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2
from typing import Any, Final

_SIGNALS: Final = (SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2)
_LOGGERS: Final = {"agent_runs", "aiokafka", "asyncio"}  # the lines of these are what tests read


def process_state() -> dict[str, Mapping[Any, object]]:
    """Return the current state by part. A test that leaves another state changes what the tests after it see."""
    wakeup_fd = signal.set_wakeup_fd(-1)  # there is no other way to read it
    signal.set_wakeup_fd(wakeup_fd)
    names = [name for name in list(logging.root.manager.loggerDict) if name.partition(".")[0] in _LOGGERS]
    loggers = [logging.root, *map(logging.getLogger, names)]
    return {
        "signal handlers": {number.name: signal.getsignal(number) for number in _SIGNALS},
        "environment": {name: text for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "loggers": {each.name: (each.level, each.propagate, each.disabled) for each in loggers},
        "process": {
            "wakeup descriptor": wakeup_fd,
            "folder": os.getcwd(),  # noqa: PTH109  # for a comparison
            "disabled log level": logging.root.manager.disable,
            "log record factory": logging.getLogRecordFactory(),
            "exception hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook),
            "switch interval": sys.getswitchinterval(),
            "recursion limit": sys.getrecursionlimit(),
        },
    }


def changes(before: Mapping[str, Mapping[Any, object]]) -> list[str]:
    """Return a line for each value that is not as it was. A new logger is no change."""
    after = process_state()
    return [
        f"{part}: {name}: {values.get(name)!r} has become {after[part].get(name)!r}"
        for part, values in before.items()
        for name in (values if part == "loggers" else {**values, **after[part]})
        if after[part].get(name) != values.get(name)
    ]
