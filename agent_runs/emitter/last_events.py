"""The last event of each run in the current task or thread: the default parent of the run's next event.

A context variable holds them. A task that is started inherits the context, and with it the last events of the task that
starts it. So tools that run in parallel tasks have the same default parent: the call of the model that requested them.
"""

import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from itertools import count
from threading import get_ident
from typing import Any, Final


class InPool(str):
    """The id of the last event of a tool call in a thread that has not inherited a context."""

    __slots__ = ()


# The ids of the last events by run. The mapping is never changed, but replaced; otherwise all tasks would share it.
Entries = Mapping[str, str]
NO_ENTRIES: Final[Entries] = {}
last_events: ContextVar[Entries] = ContextVar("agent_runs_last_events")

_setting: Final[set[int]] = set()  # the threads that are inside of `_set_once`


def _set_once(entries: Entries) -> None:
    """Set the variable, unless a finaliser calls this inside of another call in the thread.

    Python 3.11 may collect garbage inside of `ContextVar.set`, and a finaliser that sets a variable then frees memory
    that the outer call still uses: the process crashes. Later versions collect garbage between two instructions only.
    """
    thread = get_ident()
    if thread not in _setting:
        _setting.add(thread)
        try:
            last_events.set(entries)
        finally:
            _setting.discard(thread)


set_last_events: Final[Callable[[Entries], Any]] = last_events.set if sys.version_info >= (3, 12) else _set_once

# A context in which events of more runs are emitted forgets the last events of the others. Then the last event of all
# contexts counts for them.
MAX_RUNS: Final = 8

_emitter_numbers: Final = count()


def new_emitter_number() -> int:
    """Return a number for an emitter. It distinguishes its runs from runs of another emitter with the same id."""
    return next(_emitter_numbers)
