"""Refuses every call of a run of a replay that has no recording, so that no model or tool is called by mistake."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from agent_runs.replay.errors import Divergence

IN_ANOTHER_PROCESS = (
    "The run of a replay continues in another process, which does not have the recording.\n"
    "To go on: replay the agent in one process, in threads or tasks."
)


def no_child_text(agent_id: str, recorded: Collection[str]) -> str:
    """Return the message for the calls of a child run that has no recording.

    Args:
        agent_id: the agent of the child run.
        recorded: the agents whose child runs are recorded.
    """
    names = ", ".join(map(repr, sorted(recorded)))
    have = f"child runs of {names} only" if names else "no child runs"
    child = f"`recording.children[{agent_id!r}] = Recording("
    return (
        f"The run of a replay has started a child run of the agent {agent_id!r}, and the recording has {have}.\n"
        "To go on: one of these\n"
        "- `Recording.load(reader, run_id)` in place of `Recording(events)`: it also has the recorded child runs.\n"
        f"- {child}events)`: the events of a recorded child run answer the calls.\n"
        f"- {child}[], on_miss=function)`: the agent gets what `function(request)` returns."
    )


class NoRecording:
    """Raises a `Divergence` with a text for each call.

    Args:
        text: what is missing, and what to write to go on.
        on_refusal: called with each divergence.
    """

    def __init__(self, text: str, on_refusal: Callable[[Divergence], object] | None = None) -> None:
        self._text = text
        self._on_refusal = on_refusal

    def llm(self, *, model: str, **_: Any) -> Any:
        """Refuse a model call."""
        raise self._refusal(f"the model {model!r}")

    def tool(self, name: str, arguments: Any, **_: Any) -> Any:  # noqa: ARG002
        """Refuse a tool call."""
        raise self._refusal(f"the tool {name!r}")

    def ran(self, kind: Literal["llm", "tool"], fields: Mapping[str, Any]) -> None:
        """Do nothing: there is no report."""

    def saw_input(self, tool: str, data: Any) -> None:
        """Do nothing."""

    def child(self, agent_id: str) -> "NoRecording":  # noqa: ARG002
        """Refuse the calls of child runs too."""
        return self

    def run_fields(self) -> dict[str, Any]:
        """Return no fields."""
        return {}

    def __getattr__(self, name: str) -> Any:
        """Refuse what only a `Recording` has, such as `report`."""
        raise AttributeError(f"no {name!r} without a recording. {self._text}" if not name.startswith("_") else name)

    def _refusal(self, asked: str) -> Divergence:
        error = Divergence(f"The agent asked for {asked}. {self._text}")
        if self._on_refusal is not None:
            self._on_refusal(error)
        return error
