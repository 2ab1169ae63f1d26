"""What an emitter has to say to its operator: once, and not again with every event."""

import logging
from time import monotonic
from typing import Final

from agent_runs.escaping import escape_line
from agent_runs.signal_safety import reraise_from_signal_handler

log = logging.getLogger("agent_runs")

_PERIOD_S: Final = 60.0
_MOST_A_PERIOD: Final = 20


def tell(level: int, message: str, *arguments: object, trace: BaseException | None = None) -> None:
    """Log, whatever the agent's own handlers do: they may raise. What is quoted is shown as `plain` text."""
    try:
        shown = (escape_line(argument) if isinstance(argument, str) else argument for argument in arguments)
        log.log(level, message, *shown, exc_info=trace)
    except Exception as error:  # noqa: BLE001  # nobody is left to tell
        reraise_from_signal_handler(error)


class Complaints:
    """Warnings that are said at most once a minute each, and twenty a minute in all."""

    def __init__(self) -> None:
        self._began = -_PERIOD_S
        self._said: set[str] = set()

    def warn(self, about: str, message: str, *arguments: object, trace: BaseException | None = None) -> None:
        """Log a warning, unless one about the same was logged a short while ago."""
        now = monotonic()
        if now - self._began >= _PERIOD_S:
            self._began, self._said = now, set()
        if about not in self._said and len(self._said) < _MOST_A_PERIOD:
            self._said.add(about)
            tell(logging.WARNING, message, *arguments, trace=trace)
