"""Answers from a recording: what the emitter needs of one, and which recording answers the runs of a block.

`agent_runs.replay.Recording` has the methods of `RecordedAnswers`.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from inspect import isawaitable
from typing import Any, Final, Literal, NamedTuple, Protocol

from agent_runs.errors import AgentRunsError


class RecordedAnswers(Protocol):
    """Answers calls from a past run; `call` is the real function, for a call that the recording lets through."""

    def llm(
        self, *, model: str, system_prompt: Any, user_prompt: Any, call: Callable[[], Any], lane: str | None
    ) -> Any:
        """Return the answer of a model."""

    def tool(self, name: str, arguments: Any, *, call: Callable[[], Any]) -> Any:
        """Return the result of a tool."""

    def ran(self, kind: Literal["llm", "tool"], fields: Mapping[str, Any]) -> None:
        """Note that the agent has made a call itself, without asking for its answer.

        Args:
            kind: `llm` or `tool`.
            fields: the fields of the request: the model and the prompts, or the tool and its arguments.
        """

    def saw_input(self, tool: str, data: Any) -> None:
        """Note an input of the run."""

    def child(self, agent_id: str) -> "RecordedAnswers":
        """Return what answers the calls of a child run."""

    def run_fields(self) -> dict[str, Any]:
        """Return further fields and labels of the `run_started` of a replay."""


class RecordedError(AgentRunsError):
    """A recorded call failed. The events of a replay have its error as it was recorded.

    Attributes:
        error: the text of the recorded event.
        error_type: the class of the recorded exception; None if it has none.
    """

    def __init__(self, error: str, error_type: str | None = None) -> None:
        self.args = (error,)  # a subclass may also be one of a class whose constructor takes other arguments
        self.error = error
        self.error_type = error_type


# Why the calls of a run are refused: the emitter never raises, so the run of a replay exists after wrong arguments too.
_SEE_LOG: Final = "; a warning of the logger `agent_runs` has the reason"
WRONG_START: Final = f"the run was started with wrong arguments, so the recording does not answer its calls{_SEE_LOG}"
WRONG_CALL: Final = f"the call has wrong arguments, so the recording cannot answer it{_SEE_LOG}"


class RefusedCalls:
    """Refuses every call, so that a replay calls no real model or tool after wrong arguments.

    Args:
        text: why.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def llm(self, **_: Any) -> Any:
        """Refuse a model call."""
        raise TypeError(self._text)

    def tool(self, *_: Any, **__: Any) -> Any:
        """Refuse a tool call."""
        raise TypeError(self._text)

    def ran(self, *_: Any) -> None:
        """Do nothing: there is no report."""

    def saw_input(self, *_: Any) -> None:
        """Do nothing."""

    def child(self, _: str) -> "RefusedCalls":
        """Refuse the calls of child runs too."""
        return self

    def run_fields(self) -> dict[str, Any]:
        """Return no fields."""
        return {}


def usable_recording(recording: Any) -> "RecordedAnswers | None":
    """Return a recording, or `RefusedCalls` if the agent has passed another object; None for None."""
    if recording is None or hasattr(recording, "run_fields"):
        usable: RecordedAnswers | None = recording
        return usable
    remedy = "await it" if isawaitable(recording) else "pass a `Recording`"
    return RefusedCalls(f"recording={recording!r} is not a recording: nothing answers the calls of the run; {remedy}")


class _Active(NamedTuple):
    recording: RecordedAnswers
    outer: "_Active | None"


_innermost: ContextVar[_Active | None] = ContextVar("agent_runs_recording", default=None)


def active_recording() -> RecordedAnswers | None:
    """Return the recording of the innermost block `with recording:` in this task or thread; None outside of all."""
    active = _innermost.get()
    return active.recording if active else None


def enter(recording: RecordedAnswers) -> None:
    """Begin a block in which the recording answers the runs that start."""
    _innermost.set(_Active(recording, _innermost.get()))


def leave() -> None:
    """End the innermost block."""
    active = _innermost.get()
    _innermost.set(active.outer if active else None)


def add_run_fields(recording: RecordedAnswers, labels: Any, further: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the labels and the further fields of a run, with those of a replay added."""
    added = recording.run_fields()
    own_labels = added.pop("labels", {})
    if own_labels and (labels is None or isinstance(labels, Mapping)):
        labels = {**own_labels, **(labels or {})}
    return labels, {**added, **further}
