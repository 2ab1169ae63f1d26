"""An asyncio event loop with virtual time: when no callback is ready, the time jumps to the next timer.

The loop draws the process that runs the next callback. Within one process callbacks run in the order in which they
became ready: asyncio guarantees this order, so the service may rely on it.
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

MAX_CALLBACKS_AT_ONE_TIME = 200_000  # a whole schedule has fewer


class Process:
    """One simulated process: its callbacks that are ready to run, and its signal handlers.

    Attributes:
        frozen: its callbacks do not run, while time passes (SIGSTOP).
        dead: its callbacks are dropped, cleanup included (SIGKILL).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        self.ready: deque[asyncio.Handle] = deque()
        self.frozen = False
        self.dead = False
        self.signals: dict[int, Callable[[], object]] = {}


# The process whose code is running. Tasks and callbacks inherit it, so killing a process drops all of them.
PROCESS: ContextVar[Process] = ContextVar("PROCESS")


class _Task(asyncio.Task[_T]):
    """A task whose hash is its creation number, so that sets of tasks are iterated in the same order in every run."""

    def __new__(cls, *args: Any, loop: VirtualLoop, **kwargs: Any) -> _Task[_T]:
        task = super().__new__(cls)
        task._number = loop.next_number()
        return task

    _number: int

    def __hash__(self) -> int:
        return self._number


class NoProgress(Exception):
    """No callback is ready and no timer is set, or callbacks run without end while the time stands still."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs one schedule. Servers, producers and fault injection run in a process of their own, the environment.

    Attributes:
        fingerprint: a hash over all callbacks run so far; equal for equal schedules.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._now = 0.0
        self._environment = Process("environment")
        self._processes: list[Process] = [self._environment]
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._closed = False
        self.fingerprint = 0

    # --- the interface that asyncio needs ---

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
        """Does nothing: `_jump` skips cancelled timers."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Does nothing: the garbage collector reports unretrieved exceptions at a time that no seed determines."""

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        PROCESS.get().signals[sig] = callback

    # --- processes ---

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def add(self, process: Process) -> None:
        """Add a process to those that run."""
        process.number = self.next_number()
        self._processes.append(process)

    def kill(self, process: Process) -> None:
        """End a process at once, without its cleanup."""
        process.dead = True
        process.ready.clear()
        self._processes.remove(process)

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """Run `main` in the environment's process, and return its result."""
        context = Context()
        context.run(PROCESS.set, self._environment)
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
        callbacks_left = MAX_CALLBACKS_AT_ONE_TIME
        while not task.done():
            able = [process for process in self._processes if process.ready and not process.frozen]
            if not able:
                self._jump()
                callbacks_left = MAX_CALLBACKS_AT_ONE_TIME
                continue
            callbacks_left -= 1
            if not callbacks_left:
                raise NoProgress(f"endless callbacks at {self._now:.3f} s")
            process = able[int(draw() * len(able))] if len(able) > 1 else able[0]
            # Only numbers: their hashes are the same in every Python process, those of strings are not.
            self.fingerprint = hash((self.fingerprint, self._now, process.number, len(process.ready), len(able)))
            handle = process.ready.popleft()
            if not handle._cancelled:  # not `cancelled()`, which would add a call for each callback
                handle._run()

    def _jump(self) -> None:
        """Advance the time to the next timer, and make the callbacks of all timers due by then ready."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise NoProgress(f"deadlock at {self._now:.3f} s")
        self._now = self._timers[0][0]
        while self._timers and self._timers[0][0] <= self._now:
            _, _, handle = heapq.heappop(self._timers)
            if not handle.cancelled():
                self._make_ready(handle)

    def _make_ready(self, handle: asyncio.Handle) -> None:
        process = handle._context.get(PROCESS, self._environment)  # type: ignore[attr-defined]
        if not process.dead and not self._closed:
            process.ready.append(handle)

    def _close(self) -> None:
        """Close the coroutines that are left without running them: a killed process does no cleanup."""
        self._closed = True
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _close(task.get_coro())
        self._tasks.clear()


def _close(coroutine: Any) -> None:
    for _ in range(20):  # `close` fails once for each `await` in a `finally`
        with suppress(BaseException):
            coroutine.close()
            return
