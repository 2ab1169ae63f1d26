"""Follows a run or a list as it is stored, by polling.

Not LISTEN and NOTIFY: PostgreSQL notifies under a lock of the whole server at COMMIT, so consumers would wait for each
other, and a connection pooler in transaction mode does not pass notifications on.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Literal, TypeVar

import msgspec

from agent_runs.reader.errors import DatabaseUnavailable
from agent_runs.reader.runs import RunSummary

_SHORTEST_S: Final = 0.05
_LONGEST_S: Final = 1.0
_GROWTH: Final = 1.5
_GIVE_UP: Final = 3  # times the deadline of one call
_T = TypeVar("_T")


class RunChange(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between two states of a list.

    Attributes:
        kind: `added`: the run is new in the list. `changed`: it has new events. `removed`: it is no longer in the list,
            because it does not meet the conditions any more, or because newer runs have taken its place.
        run: the run as it is now; of a removed run, as it was.
    """

    kind: Literal["added", "changed", "removed"]
    run: RunSummary


class Poll:
    """The waits between polls: short after news, longer and longer without.

    Args:
        timeout_s: the deadline of one call. PostgreSQL may be unavailable for three times as long.
    """

    def __init__(self, timeout_s: float) -> None:
        self._give_up_s = _GIVE_UP * timeout_s
        self._wait_s = _SHORTEST_S
        self._last_answer = time.monotonic()

    async def ask(self, read: Callable[[], Awaitable[_T]]) -> _T:
        """Read until PostgreSQL answers.

        Raises:
            DatabaseUnavailable: it has not answered for three times as long as one call may take.
        """
        while True:
            try:
                answer = await read()
            except DatabaseUnavailable:
                if time.monotonic() - self._last_answer >= self._give_up_s:
                    raise
                await self.wait()
            else:
                self._last_answer = time.monotonic()
                return answer

    async def wait(self) -> None:
        """Wait after a poll without news."""
        await asyncio.sleep(self._wait_s)
        self._wait_s = min(_LONGEST_S, self._wait_s * _GROWTH)

    def has_news(self) -> None:
        """Begin with the shortest wait again."""
        self._wait_s = _SHORTEST_S


async def changes(read: Callable[[], Awaitable[list[RunSummary]]], poll: Poll) -> AsyncIterator[list[RunChange]]:
    """Iterate over the changes of a list, without end; at first, all its runs are added.

    Args:
        read: returns the list as it is now, newest first.
        poll: the waits.
    """
    before: dict[str, RunSummary] = {}
    while True:
        now = {run.id: run for run in reversed(await poll.ask(read))}
        found = [RunChange(kind="removed", run=run) for name, run in before.items() if name not in now]
        for name, run in now.items():
            if before.get(name) != run:
                found.append(RunChange(kind="changed" if name in before else "added", run=run))
        before = now
        if found:
            poll.has_news()
            yield found
        else:
            await poll.wait()
