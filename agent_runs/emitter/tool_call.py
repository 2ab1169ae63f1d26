"""A tool call as a context: requested at its beginning, succeeded or failed at its end."""

from collections.abc import Callable, Mapping
from traceback import format_exception_only
from types import TracebackType
from typing import Self

from agent_runs.emitter.never_raise import harmless
from agent_runs.events import Json, ToolFailed, ToolRequested, ToolSucceeded
from agent_runs.signal_safety import reraise_from_signal_handler

# A run's way to emit an event: the class, the parent, the fields. Returns the id, and whether it was accepted.
Say = Callable[..., tuple[str, bool]]


class ToolCall:
    """`with run.tool("search", {"q": "tea"}) as call: call.result = search("tea")`.

    An exception makes it a failed call, and goes on. `async with` is the same.

    Attributes:
        result: what the tool answered, to be set within the block.
        error: why it failed, to be set where it did so without an exception.
    """

    def __init__(
        self, say: Say, misused: Callable[[str, Exception], None], request: Mapping[str, Json], parent: str | None
    ) -> None:
        self.result: Json = None
        self.error: str | BaseException | None = None
        self._say = say
        self._misused_run = misused
        self._request = request
        self._parent = parent

    def _misused(self, method: str, error: Exception) -> None:
        self._misused_run(f"tool.{method}", error)

    @harmless(lambda self: self)
    def __enter__(self) -> Self:
        event_id, accepted = self._say(ToolRequested, self._parent, **self._request)
        if accepted:
            self._parent = event_id
        return self

    @harmless(lambda _: None)
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        name, failure = self._request.get("tool_name"), self.error if error is None else error
        if failure is None:
            self._say(ToolSucceeded, self._parent, tool_name=name, result=self.result)
        else:
            self._say(ToolFailed, self._parent, tool_name=name, error=in_words(failure))

    async def __aenter__(self) -> Self:
        self.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def in_words(error: str | BaseException) -> str:
    """Of an exception the last lines of its traceback: the class and the message."""
    if not isinstance(error, BaseException):
        return error
    try:
        return "".join(format_exception_only(error)).strip()
    except Exception as broken:  # noqa: BLE001  # exceptions may be as broken as anything
        reraise_from_signal_handler(broken)
        return type(error).__name__
