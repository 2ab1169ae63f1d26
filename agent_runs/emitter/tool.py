"""A tool call as a context: requested at its beginning, succeeded or failed at its end."""

from collections.abc import Callable
from traceback import format_exception_only
from types import TracebackType
from typing import Any, Protocol, Self

from agent_runs.emitter.guard import harmless
from agent_runs.events import Json, RunEvent, ToolFailed, ToolRequested, ToolSucceeded


class Speaker(Protocol):
    """A run, as far as a tool call needs it."""

    def say(self, event_class: Callable[..., RunEvent], parent: str | None, **fields: Any) -> tuple[str, bool]:
        """Emit an event of this class. Its id, and whether it was accepted."""

    def misused(self, method: str, error: Exception) -> None:
        """Count and log a call that could not be served."""


class ToolCall:
    """`with run.tool("search", {"q": "tea"}) as call: call.result = search("tea")`.

    An exception makes it a failed call, and goes on. `async with` is the same.

    Attributes:
        result: what the tool answered, to be set within the block.
    """

    def __init__(self, run: Speaker, tool_name: str, tool_args: Json, parent: str | None) -> None:
        self.result: Json = None
        self._run = run
        self._tool_name = tool_name
        self._tool_args = tool_args
        self._parent = parent

    def misused(self, method: str, error: Exception) -> None:
        """Count and log a call that could not be served."""
        self._run.misused(f"tool.{method}", error)

    @harmless(lambda call: call)
    def __enter__(self) -> Self:
        fields = {"tool_name": self._tool_name, "tool_args": self._tool_args}
        event_id, accepted = self._run.say(ToolRequested, self._parent, **fields)
        if accepted:
            self._parent = event_id
        return self

    @harmless(lambda _: None)
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._run.say(ToolSucceeded, self._parent, tool_name=self._tool_name, result=self.result)
        else:
            self._run.say(ToolFailed, self._parent, tool_name=self._tool_name, error=in_words(error))

    async def __aenter__(self) -> Self:
        self.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def in_words(error: BaseException) -> str:
    """The last lines of a traceback: the class and the message."""
    return "".join(format_exception_only(error)).strip()
