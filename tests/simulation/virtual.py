"""An event loop without a clock: time jumps to the next timer when nobody has anything to do.

Whose turn is next is drawn, process by process. Within one process callbacks run in the order in which they became
ready, for asyncio promises that and the service may rely on it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar
from random import Random
from typing import Any, TypeVar

_T = TypeVar("_T")


class Turns:
    """The callbacks of one process that are ready to run.

    Attributes:
        frozen: they wait, and time goes on without them.
        dead: they are dropped, cleanup and all.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        self.ready: deque[asyncio.Handle] = deque()
        self.frozen = False
        self.dead = False
        self.signals: dict[int, Callable[[], object]] = {}


# Whose code is running. Tasks and callbacks inherit it: so a killed process takes all of its own with it.
TURNS: ContextVar[Turns] = ContextVar("TURNS")


class _Task(asyncio.Task[_T]):
    """Its hash is a number in the order of creation: sets of tasks are walked through in the same order each time."""

    def __new__(cls, *args: Any, loop: VirtualLoop, **kwargs: Any) -> _Task[_T]:
        task = super().__new__(cls)
        task._number = loop.next_number()
        return task

    _number: int

    def __hash__(self) -> int:
        return self._number


class NothingLeft(Exception):
    """Everybody waits for somebody else."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs one schedule. What runs outside of any process is the world's: servers, producers, the nemesis.

    Attributes:
        fingerprint: of all turns so far; equal for equal schedules.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._now = 0.0
        self._world = Turns("world")
        self._turns: list[Turns] = [self._world]
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._closed = False
        self.fingerprint = 0

    # --- what asyncio asks of a loop ---

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._closed

    def is_closed(self) -> bool:
        return self._closed

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None, **_: Any) -> Any:
        task: _Task[Any] = _Task(coro, loop=self, name=None if name is None else str(name), context=context)
        self._tasks.append(task)
        return task

    def call_soon(  # type: ignore[override]  # these four take any callback, as untyped code calls them
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._make_ready(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (max(when, self._now), self.next_number(), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays where it is, and is passed over in its time."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What nobody asked for is told by the garbage collector, at its own time: no part of a schedule."""

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        TURNS.get().signals[sig] = callback

    # --- turns ---

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def add(self, turns: Turns) -> None:
        """Take a process in."""
        turns.number = self.next_number()
        self._turns.append(turns)

    def kill(self, turns: Turns) -> None:
        """Nothing of this process runs any more, not even its cleanup."""
        turns.dead = True
        turns.ready.clear()
        self._turns.remove(turns)

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """The result of `main`, which is the world's."""
        context = Context()
        context.run(TURNS.set, self._world)
        asyncio._set_running_loop(self)
        try:
            task: asyncio.Task[_T] = self.create_task(main, context=context)
            self._run_until(task)
            return task.result()
        finally:
            self._close()
            asyncio._set_running_loop(None)

    def _run_until(self, task: asyncio.Task[Any]) -> None:
        draw = self._rng.random
        while not task.done():
            able = [turns for turns in self._turns if turns.ready and not turns.frozen]
            if not able:
                self._jump()
                continue
            turns = able[int(draw() * len(able))] if len(able) > 1 else able[0]
            # Hashes of numbers are the same in every process; those of strings are not.
            self.fingerprint = hash((self.fingerprint, self._now, turns.number, len(turns.ready), len(able)))
            handle = turns.ready.popleft()
            if not handle._cancelled:  # `cancelled()` would be one more call for each turn
                handle._run()

    def _jump(self) -> None:
        """To the next timer, and to all those that are due with it."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise NothingLeft(f"after {self._now:.3f} s")
        self._now = self._timers[0][0]
        while self._timers and self._timers[0][0] <= self._now:
            _, _, handle = heapq.heappop(self._timers)
            if not handle.cancelled():
                self._make_ready(handle)

    def _make_ready(self, handle: asyncio.Handle) -> None:
        turns = handle._context.get(TURNS, self._world)  # type: ignore[attr-defined]
        if not turns.dead and not self._closed:
            turns.ready.append(handle)

    def _close(self) -> None:
        """Close what is left without letting it run: the dead have not cleaned up, and nobody should."""
        self._closed = True
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _close(task.get_coro())
        self._tasks.clear()


def _close(coroutine: Any) -> None:
    for _ in range(20):  # each `await` in a `finally` is one more refusal to end
        with suppress(BaseException):
            coroutine.close()
            return
