"""`current_run`, and the decorators that record each call of a function as a tool call or as a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from agent_runs.emitter.active_runs import enter, innermost_run, leave
from agent_runs.emitter.disabled_pipeline import DisabledPipeline
from agent_runs.emitter.instrument import Recorder, instrument
from agent_runs.emitter.rate_limited_log import RateLimitedLog
from agent_runs.emitter.run import Run
from agent_runs.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_runs.events import Json

_P = ParamSpec("_P")
_R = TypeVar("_R")
_log = RateLimitedLog()


def current_run() -> Run:
    """Return the run whose block the current task or thread is in; of several, the innermost.

    The block is `with run:`, or the body of a function that is decorated with `Emitter.agent`. A task that is started
    in a block is in the block too; a thread is if its function was made by `Run.wrap`. Outside of all blocks, the
    events of the returned run are discarded, and a warning is logged.
    """
    run = innermost_run()
    if run is None:
        text = "current_run() was called outside of the block of a run, and the events of its result are discarded"
        _log.warn("no run", text)
        return Run(DisabledPipeline(), new_id())
    return run


@overload
def tool(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def tool(name: str | None = None, /) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...


def tool(function_or_name: Any = None, /) -> Any:
    """Decorate a function so that each call of it is a tool call of the current run: `@tool` or `@tool("name")`.

    The function may be a coroutine function or a generator function. The name of the tool is that of the function; its
    arguments are those of the call by name, without `self`. Outside of all runs, the calls are not recorded. In a run
    with a recording, the recorded result is returned in place of calling the function.
    """
    if function_or_name is None or isinstance(function_or_name, str):
        return lambda function: _record_as_tool(function, function_or_name or name_of(function))
    return _record_as_tool(function_or_name, name_of(function_or_name))


def name_of(function: Any) -> str:
    """Return the name of a function; of another callable object, that of its class."""
    return str(getattr(function, "__name__", None) or type(function).__name__)


def _record_as_tool(function: Callable[_P, _R], name: str) -> Callable[_P, _R]:
    def start(arguments: dict[str, Json]) -> Recorder:
        run = innermost_run()
        return Recorder() if run is None else _ToolRecorder(run, name, arguments)

    return instrument(function, start)


class _ToolRecorder(Recorder):
    def __init__(self, run: Run, name: str, arguments: dict[str, Json]) -> None:
        self._items: list[Json] = []
        self._call = run.tool(name, arguments)
        if run.recording is not None:
            self.answer = self._call.answer
        self._call.__enter__()

    def add(self, item: Json) -> None:
        self._items.append(item)

    def end(self) -> None:
        self.succeed(self._items)

    def succeed(self, result: Json) -> None:
        self._call.result = result
        self._call.__exit__(None, None, None)

    def fail(self, error: BaseException) -> None:
        self._call.__exit__(type(error), error, error.__traceback__)


class RunRecorder(Recorder):
    """Records one call of a function as the run `run`, which has been started."""

    def __init__(self, run: Run) -> None:
        self._items: list[Json] = []
        self._run = run

    def running(self) -> AbstractContextManager[object]:
        """Make the run the current one."""
        return _current(self._run)

    def add(self, item: Json) -> None:
        """Keep an item of a generator for the result of the run."""
        self._items.append(item)

    def end(self) -> None:
        """End the run; its result is the list of the generator's items."""
        self.succeed(self._items)

    def succeed(self, result: Json) -> None:
        """End the run, unless it waits or has ended."""
        self._run.end(result=result)

    def fail(self, error: BaseException) -> None:
        """End the run with `run_failed`."""
        self._run.end(error)


@contextmanager
def _current(run: Run) -> Iterator[None]:
    enter(run)
    try:
        yield
    finally:
        leave(run)
