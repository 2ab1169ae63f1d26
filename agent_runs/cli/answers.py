"""Which event answered each question of a run."""

from typing import Final

from agent_runs.reader import OpaqueEvent, RunSource, StoredEvent
from agent_runs.status import RunState, fold

# The events that the fold reads. The others, above all prompts, need not be loaded.
_FOLDED_TYPES: Final = (
    *("input", "tool_requested", "tool_succeeded", "tool_failed"),
    *("run_waiting", "run_resumed", "run_completed", "run_failed"),
)
_ANSWERS: Final = ("input", "tool_succeeded", "tool_failed")


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
