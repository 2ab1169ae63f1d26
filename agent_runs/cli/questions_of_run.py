"""The open questions of a run, from its events."""

from collections.abc import Collection
from typing import Final

from agent_runs.events import Input, ToolFailed, ToolRequested, ToolSucceeded
from agent_runs.reader import OpaqueEvent, RunSource, StoredEvent
from agent_runs.status import RunState, fold

# The events that the fold reads. The others, above all prompts, need not be loaded.
FOLDED_TYPES: Final = (
    *("input", "tool_requested", "tool_succeeded", "tool_failed"),
    *("run_waiting", "run_resumed", "run_completed", "run_failed"),
)
_ANSWERS: Final = (ToolSucceeded, ToolFailed, Input)


class Questions:
    """Folds the events of a run, in order, and keeps the requests that wait for an answer.

    Attributes:
        state: the fold of the events so far.
        open: the events of the open questions, oldest first.
        answers: the event that answered a question, by the id of the question.
    """

    def __init__(self) -> None:
        self.state = RunState()
        self.answers: dict[str, StoredEvent] = {}
        self._requests: dict[str, StoredEvent] = {}

    def add(self, stored: StoredEvent) -> None:
        """Fold the next event."""
        event = stored.event
        if isinstance(event, OpaqueEvent):
            return
        before = {question.id for question in self.state.open_questions}
        self.state = fold(self.state, event)
        after = {question.id for question in self.state.open_questions}
        if isinstance(event, ToolRequested) and event.id in after:
            self._requests[event.id] = stored
        for closed in before - after:
            del self._requests[closed]
            if isinstance(event, _ANSWERS):
                self.answers[closed] = stored

    @property
    def open(self) -> list[StoredEvent]:
        """The events of the open questions, oldest first."""
        return [self._requests[question.id] for question in self.state.open_questions]


async def questions_of(source: RunSource, run_id: str, types: Collection[str] = FOLDED_TYPES) -> Questions:
    """Return the questions of a stored run."""
    questions = Questions()
    async for event in source.get_run_events(run_id, types=types):
        questions.add(event)
    return questions
