"""The holes that runs have and don't know of yet."""

from collections import Counter

from agent_runs.emitter.records import Record, marker
from agent_runs.emitter.stats import DropReason


class Holes:
    """How many events of each run were dropped, by reason, until a marker records them.

    Bounded: beyond `most` runs a drop is counted, and not recorded.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._runs: dict[bytes, Counter[DropReason]] = {}

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, key: bytes, reason: DropReason) -> None:
        """One more event of this run is missing."""
        if key in self._runs or len(self._runs) < self._most:
            self._runs.setdefault(key, Counter())[reason] += 1

    def first(self) -> bytes:
        """The run that has waited longest for its marker."""
        return next(iter(self._runs))

    def markers(self, key: bytes) -> list[Record]:
        """What would record this run's holes: one marker a reason."""
        return [marker(key, reason, count) for reason, count in self._runs[key].items()] if key in self._runs else []

    def close(self, key: bytes) -> None:
        """They are recorded."""
        self._runs.pop(key, None)
