"""Reading from synchronous code: the same methods, which block.

An event loop in a thread of its own runs the asynchronous methods, so they also work where the caller's thread already
has a running loop, as in a notebook.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from threading import Thread
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from agent_runs.reader.errors import ReaderError
from agent_runs.reader.reader import Reader
from agent_runs.reader.run_source import RunSource
from agent_runs.reader.stored_events import StoredEvent
from agent_runs.reader.stream import Stream

_T = TypeVar("_T")
_P = ParamSpec("_P")
_Source = TypeVar("_Source", bound=RunSource)


def _blocking(
    method: Callable[Concatenate[Any, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate["SyncRunSource[Any]", _P], _T]:
    """Return a method that runs a coroutine method of the source and waits for its result."""

    def wait(self: "SyncRunSource[Any]", /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        work: Coroutine[Any, Any, _T] = getattr(self.source, method.__name__)(*args, **kwargs)
        return self.wait_for(work)

    functools.update_wrapper(wait, method)
    return wait


def _iterating(
    method: Callable[Concatenate[Any, _P], Stream[_T]],
) -> Callable[Concatenate["SyncRunSource[Any]", _P], Iterator[_T]]:
    """Return a method that iterates over a stream of the source."""

    def iterate(self: "SyncRunSource[Any]", /, *args: _P.args, **kwargs: _P.kwargs) -> Iterator[_T]:
        stream: Stream[_T] = getattr(self.source, method.__name__)(*args, **kwargs)
        return self.iterate_over(stream)

    functools.update_wrapper(iterate, method)
    return iterate


async def _next_page(pages: AsyncIterator[list[_T]]) -> list[_T]:
    """Return the next page that is not empty; an empty one at the end."""
    async for page in pages:
        if page:
            return page
    return []


class SyncRunSource(Generic[_Source]):
    """The methods of a `RunSource` for synchronous code. They block; streams are iterators.

    Attributes:
        source: where the runs are.
    """

    def __init__(self, source: _Source) -> None:
        self.source = source
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="agent-runs-reader", daemon=True)
        self._thread.start()

    get_summary = _blocking(RunSource.get_summary)
    get_summaries = _blocking(RunSource.get_summaries)
    get_run = _blocking(RunSource.get_run)
    get_run_events = _iterating(RunSource.get_run_events)
    events_of_runs = _iterating(RunSource.events_of_runs)
    list_runs = _blocking(RunSource.list_runs)
    related_runs = _blocking(RunSource.related_runs)
    waiting_runs = _blocking(RunSource.waiting_runs)
    open_questions = _blocking(RunSource.open_questions)
    questions_of = _blocking(RunSource.questions_of)
    question_lines = _blocking(RunSource.question_lines)
    last_events = _blocking(RunSource.last_events)
    get_runs_by_session = _blocking(RunSource.get_runs_by_session)
    get_runs_by_status = _blocking(RunSource.get_runs_by_status)
    get_runs_by_agent = _blocking(RunSource.get_runs_by_agent)
    get_children = _blocking(RunSource.get_children)
    unfinished_children = _blocking(RunSource.unfinished_children)
    get_tree = _blocking(RunSource.get_tree)
    llm_calls = _iterating(RunSource.llm_calls)
    llm_call = _blocking(RunSource.llm_call)

    def __enter__(self) -> Self:
        """Return this object."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the thread, and close what the source has open."""
        self.close()

    def close(self) -> None:
        """End the thread, and close what the source has open. No method can be called after it."""
        if self._loop.is_closed():
            return
        self.wait_for(self.source.close())
        self.wait_for(self._loop.shutdown_asyncgens())  # of iterators that did not reach their end
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine of the source in the thread, and return its result."""
        if self._loop.is_closed():
            work.close()
            raise ReaderError("the reader is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # for example KeyboardInterrupt: the work must not continue
            future.cancel()
            raise

    def iterate_over(self, stream: Stream[_T]) -> Iterator[_T]:
        """Iterate over a stream of the source."""
        while page := self.wait_for(_next_page(stream.pages)):
            yield from page


class SyncReader(SyncRunSource[Reader]):
    """`Reader` for synchronous code.

    Args:
        url: as for `Reader`, like the other arguments.
        timeout_s: the deadline of each call.
        connect_timeout_s: the deadline for opening a connection.
        pool_size: how many connections it opens at most.

    Example:
        from agent_runs.reader import SyncReader

        with SyncReader() as reader:
            for stored in reader.get_run_events("run-1"):
                print(stored.seq, stored.type)
    """

    get_run_events: Callable[..., Iterator[StoredEvent]] = _iterating(Reader.get_run_events)  # with `follow`
    new_events = _blocking(Reader.new_events)
    follow_runs = _iterating(Reader.follow_runs)
    waiting_runs = _blocking(Reader.waiting_runs)
    find = _blocking(Reader.find)
    store_status = _blocking(Reader.store_status)
    count_by_status = _blocking(Reader.count_by_status)
    count_by_agent = _blocking(Reader.count_by_agent)
    llm_call = _blocking(Reader.llm_call)
    count_llm_calls = _blocking(Reader.count_llm_calls)
    has_llm_call = _blocking(Reader.has_llm_call)
    structure = _blocking(Reader.structure)
    search_events = _blocking(Reader.search_events)
    usage = _blocking(Reader.usage)
    timeline = _blocking(Reader.timeline)

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout_s: float | None = None,
        connect_timeout_s: float | None = None,
        pool_size: int = 4,
    ) -> None:
        super().__init__(Reader(url, timeout_s=timeout_s, connect_timeout_s=connect_timeout_s, pool_size=pool_size))
