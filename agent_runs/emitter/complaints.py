"""What an emitter has to say to its operator: once, and not again with every event."""

import logging
from contextlib import suppress
from time import monotonic
from typing import Final

log = logging.getLogger("agent_runs")

_REPEAT_AFTER_S: Final = 60.0
_MOST_REMEMBERED: Final = 100


class Complaints:
    """Warnings that are said at most once a minute each."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def warn(self, about: str, message: str, *arguments: object, trace: BaseException | None = None) -> None:
        """Log a warning, unless one about the same was logged a short while ago."""
        now = monotonic()
        if now - self._said.get(about, -_REPEAT_AFTER_S) >= _REPEAT_AFTER_S:
            if len(self._said) >= _MOST_REMEMBERED:
                self._said.clear()
            self._said[about] = now
            with suppress(Exception):  # a handler of the agent's own may raise
                log.warning(message, *arguments, exc_info=trace)
