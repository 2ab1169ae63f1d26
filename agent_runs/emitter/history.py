"""Takes up a run from its history: the state, the last event and the unanswered requests after its events so far."""

from logging import WARNING
from typing import Any, NamedTuple

from agent_runs.emitter.rate_limited_log import log_safely
from agent_runs.event_base import Event
from agent_runs.event_items import events_of
from agent_runs.questions import Question, of_tool
from agent_runs.signal_safety import reraise_from_signal_handler
from agent_runs.status import RunState, fold


class History(NamedTuple):
    """What an emitter has to know about the events of a run that another process emitted.

    Attributes:
        state: the state of the run after them.
        last_event_id: the id of the last event; None if there is none.
        unanswered: the requests of tools without an answer that are not open questions, in their order.
        session_id: the session of the first `run_started`.
    """

    state: RunState = RunState()
    last_event_id: str | None = None
    unanswered: tuple[Question, ...] = ()
    session_id: str | None = None


def read_history(run_id: str, source: Any) -> History:
    """Return the history of a run; an empty one, with a warning, if it cannot be read.

    Args:
        run_id: the run.
        source: the events of the run in order, as `events_of` takes them; or an object with the attribute `events`,
            such as a `StoredRun`; or one with a method `get_run_events`, such as a `SyncReader`, which is called and
            may block.
    """
    try:
        history = _fold(run_id, source)
    except Exception as error:  # noqa: BLE001  # the source is the agent's, and may be a database
        reraise_from_signal_handler(error)
        text = "The history of run %r cannot be read (%r), and the run continues without it; pass its events"
        log_safely(WARNING, text, run_id, error)
        return History()
    if history.last_event_id is None:
        text = "The history of run %r has no events, and the run continues without it; has the consumer stored them?"
        log_safely(WARNING, text, run_id)
    return history


def _fold(run_id: str, source: Any) -> History:
    events = source.get_run_events(run_id) if hasattr(source, "get_run_events") else getattr(source, "events", source)
    state, last_event_id, session_id = RunState(), None, None
    requests: dict[str, Question] = {}
    for event in events_of(events):
        last_event_id = event.id
        if event.type == "run_started" and session_id is None:
            session_id = getattr(event, "session_id", None)
        if not isinstance(event, Event):  # an OpaqueEvent, which the reader could not decode
            continue
        if event.type.startswith("tool_"):
            _follow(requests, event)
        before, state = state.open_questions, fold(state, event)
        for question in before:
            if question not in state.open_questions:
                requests.pop(question.id, None)
    open_ids = {question.id for question in state.open_questions}
    unanswered = tuple(request for request in requests.values() if request.id not in open_ids)
    return History(state, last_event_id, unanswered, session_id)


def _follow(requests: dict[str, Question], event: Any) -> None:
    """Add the request of a tool, or remove the one that an answer answers: the one it names, else the oldest."""
    if event.type == "tool_requested":
        requests[event.id] = Question(event.id, event.tool_name)
    elif event.parent_event_id in requests:
        del requests[event.parent_event_id]
    elif oldest := of_tool(tuple(requests.values()), event.tool_name)[:1]:
        del requests[oldest[0].id]
