"""While Kafka takes no events: what is said about it, once, and how long to wait before the next attempt."""

from logging import INFO, WARNING
from random import uniform
from typing import Final

from agent_runs.emitter.rate_limited_log import tell

_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_MOST_REASONS: Final = 10  # told of one outage


class Outage:
    """Begins with a failure, and ends with an acknowledgement."""

    def __init__(self) -> None:
        self._told: set[str] = set()  # empty while there is none
        self._pause_s = _SHORTEST_PAUSE_S

    def begin(self, reason: str) -> None:
        """Kafka takes no events."""
        if reason not in self._told and len(self._told) < _MOST_REASONS:
            self._told.add(reason)
            tell(WARNING, "Kafka takes no events (%s); they are kept, and sent later", reason)

    def end(self) -> None:
        """Kafka has taken some."""
        self._pause_s = _SHORTEST_PAUSE_S
        if self._told:
            self._told.clear()
            tell(INFO, "Kafka takes events again")

    def next_pause_s(self) -> float:
        """Longer each time, and not the same for all agents."""
        pause_s = self._pause_s * uniform(0.5, 1.0)  # noqa: S311
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s
