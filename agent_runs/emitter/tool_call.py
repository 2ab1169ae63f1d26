"""A tool call as a context manager: it emits the request at its start and the result at its end."""

from collections.abc import Callable, Mapping
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

from agent_runs.emitter.call_context import CallContext
from agent_runs.emitter.event_chain import EventChain
from agent_runs.emitter.never_raise import format_error, never_raise
from agent_runs.emitter.recorded_answers import RecordedAnswers
from agent_runs.events import Json, ToolFailed, ToolRequested, ToolSucceeded

_TYPES: Final = {"__enter__": "tool_requested"}  # the answer has one of two types


class ToolCall(CallContext):
    """The context of one tool call, made by `Run.tool`; works with `with` and `async with`.

    Emits `tool_requested` at the start of the block. At its end it emits `tool_failed` if the block raised an
    exception, which propagates, or if `error` is set; otherwise `tool_succeeded`. The answer has the duration of the
    block as `duration_ms`. Its parent is the request, unless the request was dropped.

    Attributes:
        result: what the tool returned, any value; set it inside the block.
        error: why the tool failed, as a text or an exception; set it if the tool fails without raising.
        extra: further fields of the answer, by name; the `call_id` of the request is one of them.
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
        self.result: Json = None
        for fields in (extra, keywords):
            if isinstance(fields, Mapping) and "call_id" in fields:
                self.extra["call_id"] = fields["call_id"]

    def _count_misuse(self, method: str, error: Exception) -> None:
        self._chain.count_misuse(f"run.tool.{method}", _TYPES.get(method), error)

    def _set_answer(self, answer: Any) -> None:
        self.result = answer

    def _ask_recording(self, recording: RecordedAnswers, function: Callable[[], Any]) -> Any:
        return recording.tool(self._request["tool_name"], self._request["tool_args"], call=function)

    @never_raise(lambda self, _: self)
    def __enter__(self) -> Self:
        extra, keywords = self._request_extra, self._keywords
        event_id, accepted = self._chain.emit(ToolRequested, self._parent, extra, keywords, **self._request)
        self._started_at = perf_counter()
        if accepted:  # the answer must not name a dropped request as its parent
            self._parent = event_id
        return self

    @never_raise(lambda *_: None)
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._chain.recording is not None and not self._was_asked:
            self._chain.recording.ran("tool", self._request)
        failure = self.error if error is None else error
        measured = self._measured(failure)
        tool_name = self._request["tool_name"]
        if failure is None:
            fields = {"tool_name": tool_name, "result": self.result}
            self._chain.emit(ToolSucceeded, self._parent, self.extra, {}, measured, **fields)
        else:
            fields = {"tool_name": tool_name, "error": format_error(failure)}
            self._chain.emit(ToolFailed, self._parent, self.extra, {}, measured, **fields)
