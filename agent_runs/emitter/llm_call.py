"""A call of a language model as a context manager: it emits one event at the end of the call."""

from collections.abc import Callable, Mapping
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from agent_runs.codec.canonical_json import text_of
from agent_runs.emitter.call_context import CallContext
from agent_runs.emitter.event_chain import EventChain
from agent_runs.emitter.never_raise import format_error, never_raise
from agent_runs.emitter.recorded_answers import RecordedAnswers
from agent_runs.events import Json, LlmCalled, LlmFailed


class LlmCall(CallContext):
    """The context of one call of a model, made by `Run.llm`; works with `with` and `async with`.

    At the end of the block it emits `llm_failed` if the block raised an exception, which propagates, or if `error` is
    set; otherwise `llm_called`. The event has the duration of the block as `duration_ms`. Its parent is the event
    before the block. The prompts are those at the start of the block; further fields are encoded at its end.

    Attributes:
        raw_response: the exact answer of the model, text or any other value; set it inside the block.
        error: why the call failed, as a text or an exception; set it if the call fails without raising.
        extra: further fields of the event, by name, such as `usage`.
    """

    def __init__(
        self,
        chain: EventChain,
        request: Mapping[str, Any],
        parent: str | None,
        extra: Mapping[str, Json] | None,
        keywords: Mapping[str, Json],
    ) -> None:
        super().__init__(chain, request, parent, extra, keywords)
        self.raw_response: Json = ""

    def _count_misuse(self, method: str, error: Exception) -> None:
        self._chain.count_misuse(f"run.llm.{method}", None, error)

    def _set_answer(self, answer: Any) -> None:
        self.raw_response = answer

    def _ask_recording(self, recording: RecordedAnswers, function: Callable[[], Any]) -> Any:
        lane = self._keywords.get("lane")
        return recording.llm(**self._request, call=function, lane=lane if isinstance(lane, str) else None)

    @never_raise(lambda self, _: self)
    def __enter__(self) -> Self:
        if self._parent is None:
            self._parent = self._chain.default_parent()
        self._started_at = perf_counter()
        return self

    @never_raise(lambda *_: None)
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._chain.recording is not None and not self._was_asked:
            self._chain.recording.ran("llm", self._request)
        failure = self.error if error is None else error
        measured = self._measured(failure)
        # A further field that the block sets replaces a keyword of `run.llm(…)` with its name.
        extra, keywords = self._request_extra, {**self._keywords, **self.extra}
        if failure is None:
            response = text_of(self.raw_response)
            self._chain.emit(LlmCalled, self._parent, extra, keywords, measured, **self._request, raw_response=response)
        else:
            fields = {**self._request, "error": format_error(failure)}
            self._chain.emit(LlmFailed, self._parent, extra, keywords, measured, **fields)
