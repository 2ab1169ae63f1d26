"""The event that answers a question, and which event answered each question of a run."""

from typing import Final

from agent_runs.events import Json, RunEvent, UnknownEvent
from agent_runs.publishing.single_events import build_event
from agent_runs.reader import OpaqueEvent, OpenQuestion, RunSource, StoredEvent
from agent_runs.status import RunState, fold

# The events that the fold reads. The others, above all prompts, need not be loaded.
_FOLDED_TYPES: Final = (
    *("input", "tool_requested", "tool_succeeded", "tool_failed"),
    *("run_waiting", "run_resumed", "run_completed", "run_failed"),
)
_ANSWERS: Final = ("input", "tool_succeeded", "tool_failed")


def answer_event(question: OpenQuestion, result: Json, by: str | None) -> RunEvent | UnknownEvent:
    """Return a new event that answers a question: a `tool_succeeded` of its request.

    Args:
        question: the question.
        result: the result of the tool; `{"answer": …}` by convention.
        by: who answers, stored as the further field `answered_by`. None: the event does not say.

    Raises:
        UnreadableEvent: the result cannot be in an event.
    """
    fields = {"parent_event_id": question.id, "tool_name": question.tool_name, "result": result}
    return build_event({"type": "tool_succeeded", **fields, **({"answered_by": by} if by else {})})


async def answers_of(source: RunSource, run_id: str) -> dict[str, StoredEvent]:
    """Return the events that answered questions of a run, by the id of the question, in the order of the answers."""
    answers: dict[str, StoredEvent] = {}
    state = RunState()
    async for stored in source.get_run_events(run_id, types=_FOLDED_TYPES):
        if isinstance(stored.event, OpaqueEvent):
            continue
        before, state = state, fold(state, stored.event)
        if stored.type in _ANSWERS:
            still_open = {question.id for question in state.open_questions}
            answers |= {question.id: stored for question in before.open_questions if question.id not in still_open}
    return answers
