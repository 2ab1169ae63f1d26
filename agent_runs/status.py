"""The status of a run and its open questions: `fold`, a pure function of one state and the next event.

docs/guarantees.md has the table that this module implements.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from agent_runs.event_base import Event
from agent_runs.event_items import events_of
from agent_runs.questions import Question, fits, has_recordable_name, named, newest, of_tool

if TYPE_CHECKING:
    from agent_runs.events import ToolRequested


class RunStatus(StrEnum):
    """The four statuses of a run."""

    RUNNING = "running"  # executing, or no events yet
    WAITING = "waiting"  # paused until it receives an answer
    COMPLETED = "completed"  # ended successfully
    FAILED = "failed"  # ended without success


class Role(StrEnum):
    """The roles of a tool: the values of the field `role` that have a meaning."""

    WAITS = "waits"  # a request makes the run wait for the answer
    FINISHES = "finishes"  # a result completes the run


FINISHED: Final = (RunStatus.COMPLETED, RunStatus.FAILED)  # a tuple, because members of an Enum hash slowly

# The tools that have a role without the field `role`. The names are part of the contract, not settings, because the
# status must depend on the log alone.
_ROLES: Final = {
    "ask_human": Role.WAITS,
    "spawn_agent": Role.WAITS,
    "respond_to_user": Role.FINISHES,
    "done": Role.FINISHES,
}
_ROLES_BY_VALUE: Final = {role.value: role for role in Role}
# The fold reads the members from here: in Python 3.11, reading one from its Enum class takes as long as the rest of a
# fold that changes nothing.
_RUNNING, _WAITING, _COMPLETED, _FAILED = RunStatus
_WAITS, _FINISHES = Role
HUMAN_RESPONSE: Final = "human_response"


class RunState(Struct, frozen=True):
    """The state of a run after some of its events. `RunState()` is the state before the first event.

    Attributes:
        status: the run's status.
        open_questions: the questions that have no answer yet, in the order of their requests.
        answered_questions: the questions that were closed last, the latest at the end. An answer that names one of
            them is a repeated answer, and must not close another question.
        completed_by_tool: whether the run is `completed` because a terminal tool returned a result. A `run_failed`
            replaces such a completion, but not a `run_completed`.
    """

    status: RunStatus = RunStatus.RUNNING
    open_questions: tuple[Question, ...] = ()
    answered_questions: tuple[Question, ...] = ()
    completed_by_tool: bool = False


def fold(state: RunState, event: Any) -> RunState:
    """Return the state of a run after one more event; `state` itself if the event changes nothing.

    Args:
        state: the state before the event.
        event: a typed event, or an object with the same `type`, `id` and `parent_event_id`, with `tool_name` and `role`
            if it is an event of a tool, and with `tool` if it is an input. The fold reads no other field. Also an
            object with the attribute `event`, such as `StoredEvent`.

    The state depends on the previous state too. If the last event alone decided, an audit event after
    `respond_to_user` would reopen a finished run, and an answer would remove a run from the inbox of another human
    whose answer it still needs.
    """
    try:
        step = _STEPS.get(event.type)
        return state if step is None else step(state, event)
    except AttributeError:
        # Not looked up before: the consumer folds each event, and the look-up would take as long as most folds.
        if (inner := getattr(event, "event", None)) is None:
            raise
        return fold(state, inner)


def may_change_state(state: RunState, tool_name: str, role: object) -> bool:
    """Return whether an event of a tool may change the state; False for nearly every tool, without a fold.

    Args:
        state: the state before the event.
        tool_name: the tool of the event.
        role: the event's field `role`.
    """
    return tool_name in _ROLES or role in _ROLES_BY_VALUE or state.open_questions != ()


def open_questions(events: Iterable[Any]) -> "list[ToolRequested]":
    """Return the requests of waiting tools that have no answer yet, in their order.

    Args:
        events: all events of one run, in order: typed events, or objects with the attribute `event`, such as
            `StoredEvent` and `TopicEvent`. An event that the reader could not decode, and a record that the service
            refuses, change nothing.

    >>> from agent_runs.testing import RecordingEmitter
    >>> emitter = RecordingEmitter()
    >>> run = emitter.start_run(agent_id="scheduler")
    >>> question = run.tool_requested("ask_human", {"question": "Book it?"})
    >>> [request.tool_args for request in open_questions(emitter.events(run.id))]
    [{'question': 'Book it?'}]
    >>> answer = run.input("human_response", "Yes.", parent=question)
    >>> open_questions(emitter.events(run.id))
    []
    """
    state = RunState()
    requests: dict[str, Any] = {}
    for event in events_of(events):
        if not isinstance(event, Event):  # an OpaqueEvent
            continue
        state = fold(state, event)
        if state.open_questions and state.open_questions[-1].id == event.id:
            requests[event.id] = event
    return [requests[question.id] for question in state.open_questions]


def _role(event: Any) -> Role | None:
    """Return the role of the event's tool. A `role` of another value has no meaning in this version."""
    return (event.role and _ROLES_BY_VALUE.get(event.role)) or _ROLES.get(event.tool_name)


def _input(state: RunState, event: Any) -> RunState:
    if state.open_questions and event.tool == HUMAN_RESPONSE:
        state = _close_one(state, event, state.open_questions)
        if state.open_questions and state.status is _WAITING:
            return state
    return _resume(state, event)


def _resume(state: RunState, _: Any) -> RunState:
    # New input continues a run that has ended.
    if state.status is _RUNNING:
        return state
    return RunState(_RUNNING, state.open_questions, state.answered_questions)


def _wait(state: RunState, _: Any) -> RunState:
    if state.status is not _RUNNING:
        return state
    return RunState(_WAITING, state.open_questions, state.answered_questions)


def _complete(state: RunState, _: Any) -> RunState:
    if state.status is _FAILED or (state.status is _COMPLETED and not state.completed_by_tool):
        return state
    return _end(state, _COMPLETED)


def _fail(state: RunState, _: Any) -> RunState:
    if state.status in FINISHED and not state.completed_by_tool:
        return state
    return _end(state, _FAILED)


def _request(state: RunState, event: Any) -> RunState:
    if _role(event) is not _WAITS or state.status in FINISHED:
        return state
    questions = (*state.open_questions, Question(event.id, event.tool_name))
    if not has_recordable_name(event.tool_name) or not fits(questions):
        return _wait(state, event)  # the run waits, but the question is not recorded
    return RunState(_WAITING, questions, state.answered_questions)


def _succeed(state: RunState, event: Any) -> RunState:
    role = _role(event)
    if role is None and not state.open_questions:
        return state  # nearly every result
    if role is _FINISHES:
        return state if state.status in FINISHED else _end(state, _COMPLETED, completed_by_tool=True)
    return _answer(state, event, role)


def _fail_tool(state: RunState, event: Any) -> RunState:
    return _answer(state, event, _role(event))


def _answer(state: RunState, event: Any, role: Role | None) -> RunState:
    if role is _FINISHES or state.status in FINISHED:
        return state
    candidates = of_tool(state.open_questions, event.tool_name)
    if candidates:
        state = _close_one(state, event, candidates, event.tool_name)
    elif role is None or _is_repeated(state, event, event.tool_name):
        return state
    return state if state.open_questions else _resume(state, event)


def _is_repeated(state: RunState, answer: Any, tool_name: str | None) -> bool:
    """Return whether the answer names a question that is already answered; of this tool, if one is given."""
    question = named(answer.parent_event_id, state.answered_questions)
    return question is not None and tool_name in (None, question.tool_name)


def _close_one(
    state: RunState, answer: Any, candidates: tuple[Question, ...], tool_name: str | None = None
) -> RunState:
    """Close the question that the answer names, else the oldest candidate; none if the answer is repeated."""
    closed = named(answer.parent_event_id, candidates)
    if closed is None:
        if _is_repeated(state, answer, tool_name):
            return state
        closed = candidates[0]
    return RunState(
        state.status,
        tuple([question for question in state.open_questions if question is not closed]),
        newest((*state.answered_questions, closed)),
        state.completed_by_tool,
    )


def _end(state: RunState, status: RunStatus, *, completed_by_tool: bool = False) -> RunState:
    answered = newest(state.answered_questions + state.open_questions) if state.open_questions else None
    return RunState(status, (), state.answered_questions if answered is None else answered, completed_by_tool)


_STEPS: Final[dict[str, Callable[[RunState, Any], RunState]]] = {
    "input": _input,
    "run_resumed": _resume,
    "run_waiting": _wait,
    "run_completed": _complete,
    "run_failed": _fail,
    "tool_requested": _request,
    "tool_succeeded": _succeed,
    "tool_failed": _fail_tool,
}
