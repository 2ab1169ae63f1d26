"""What the contexts of tool calls and model calls share: arguments, recorded answers, and use with `async with`."""

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from time import perf_counter
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from agent_runs.emitter.event_chain import EventChain
from agent_runs.emitter.never_raise import error_type
from agent_runs.emitter.pickling import Shared
from agent_runs.emitter.recorded_answers import RecordedAnswers
from agent_runs.events import Json

_T = TypeVar("_T")


class CallContext(Shared):
    """The context of one call; works with `with` and `async with`. Subclasses define `__enter__` and `__exit__`.

    Attributes:
        error: why the call failed, as a text or an exception; set it if the call fails without raising.
        extra: further fields of the last event, by name.
    """

    _was_asked = False  # whether `answer` was called: not set in the constructor, which every call pays for

    def __init__(
        self,
        chain: EventChain,
        request: Mapping[str, Any],
        parent: str | None,
        extra: Mapping[str, Json] | None,
        keywords: Mapping[str, Json],
    ) -> None:
        self.error: str | BaseException | None = None
        self.extra: dict[str, Json] = {}
        self._chain = chain
        self._request = request
        self._parent = parent
        self._request_extra = extra
        self._keywords = keywords
        self._started_at = perf_counter()

    def answer(self, function: Callable[[], _T], recording: RecordedAnswers | None = None) -> _T:
        """Set `raw_response` or `result` to what `function` returns, or to the recorded answer, and return it.

        Args:
            function: calls the model or the tool. An awaitable that it returns is not awaited: use `answer_async`.
            recording: the recording of a past run, which answers in place of the model, with text, or of the tool; by
                default that of the run. If there is none, the function is called.

        Raises what the function or the recording raises.
        """
        answer: _T = self._ask(function, recording)
        self._set_answer(answer)
        return answer

    async def answer_async(self, function: Callable[[], Awaitable[_T]], recording: RecordedAnswers | None = None) -> _T:
        """Do the same as `answer` with a function that returns an awaitable."""
        answer: Any = self._ask(function, recording)
        answer = await answer if isawaitable(answer) else answer
        self._set_answer(answer)
        return cast("_T", answer)

    def _measured(self, failure: str | BaseException | None = None) -> dict[str, Json]:
        """Return the fields that the context sets itself: the duration, and the class of an exception."""
        duration_ms = round((perf_counter() - self._started_at) * 1000, 3)
        return {"duration_ms": duration_ms} | ({} if failure is None else error_type(failure))

    def _ask(self, function: Callable[[], Any], recording: RecordedAnswers | None) -> Any:
        """Return what the function returns, or the recorded answer: of this recording, else of that of the run."""
        self._was_asked = True
        if recording is None:
            recording = self._chain.recording
        return function() if recording is None else self._ask_recording(recording, function)

    def _ask_recording(self, recording: RecordedAnswers, function: Callable[[], Any]) -> Any:
        raise NotImplementedError

    def _set_answer(self, answer: Any) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
