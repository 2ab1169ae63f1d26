"""What the contexts of calls need of a recording: `agent_runs.replay.Recording` has these methods."""

from collections.abc import Callable
from typing import Any, Protocol


class RecordedAnswers(Protocol):
    """Answers calls from a past run; `call` is the real function, for a call that the recording lets through."""

    def llm(
        self, *, model: str, system_prompt: Any, user_prompt: Any, call: Callable[[], Any], lane: str | None
    ) -> Any:
        """Return the answer of a model."""

    def tool(self, name: str, arguments: Any, *, call: Callable[[], Any]) -> Any:
        """Return the result of a tool."""
