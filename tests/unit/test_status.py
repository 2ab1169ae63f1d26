"""`fold` and `open_questions`, for every cell of the contract's tables."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runs import Question, RunEvent, RunState, RunStatus, UnknownEvent, decode_event, fold, open_questions
from agent_runs.codec.decode import read_envelope
from agent_runs.events import EVENT_CLASSES
from agent_runs.questions import MAX_ANSWERED_BYTES, MAX_OPEN_BYTES
from tests.support.builders import message

RUN, WAIT, DONE, FAIL = RunStatus.RUNNING, RunStatus.WAITING, RunStatus.COMPLETED, RunStatus.FAILED


def event(event_type: str, event_id: str = "x", /, **fields: object) -> RunEvent | UnknownEvent:
    return decode_event(message(event_type, id=event_id, **fields))


def after(*events: RunEvent | UnknownEvent, state: RunState | None = None) -> RunState:
    return reduce(fold, events, state or RunState())


def ids(state: RunState) -> list[str]:
    return [question.id for question in state.open_questions]


# --- the table of a run without open questions ---

ENDED_BY_TOOL = "completed by a tool"
STATES = {
    "running": RunState(),
    "waiting": RunState(WAIT),
    ENDED_BY_TOOL: RunState(DONE, completed_by_tool=True),
    "completed": RunState(DONE),
    "failed": RunState(FAIL),
}
NONE: tuple[str | None, ...] = (None,)
WAITING = ("ask_human", "spawn_agent")
TERMINAL = ("respond_to_user", "done")
OTHER = ("calendar_search", "", "Ask_human", "run_completed")
ANY = NONE + WAITING + TERMINAL + OTHER

TABLE = [
    # event                tools       from:  running  waiting  by a tool  completed  failed
    ("input",              NONE,             (RUN,     RUN,     RUN,       RUN,       RUN)),
    ("run_resumed",        ANY,              (RUN,     RUN,     RUN,       RUN,       RUN)),
    ("run_waiting",        ANY,              (WAIT,    WAIT,    DONE,      DONE,      FAIL)),
    ("run_completed",      ANY,              (DONE,    DONE,    DONE,      DONE,      FAIL)),
    ("run_failed",         ANY,              (FAIL,    FAIL,    FAIL,      DONE,      FAIL)),
    ("run_started",        ANY,              (RUN,     WAIT,    DONE,      DONE,      FAIL)),
    ("context_assembled",  ANY,              (RUN,     WAIT,    DONE,      DONE,      FAIL)),
    ("llm_called",         ANY,              (RUN,     WAIT,    DONE,      DONE,      FAIL)),
    ("llm_failed",         ANY,              (RUN,     WAIT,    DONE,      DONE,      FAIL)),
    ("events_dropped",     ANY,              (RUN,     WAIT,    DONE,      DONE,      FAIL)),
    ("tool_requested",     WAITING,          (WAIT,    WAIT,    DONE,      DONE,      FAIL)),
    ("tool_requested",     TERMINAL + OTHER, (RUN,     WAIT,    DONE,      DONE,      FAIL)),
    ("tool_succeeded",     WAITING,          (RUN,     RUN,     DONE,      DONE,      FAIL)),
    ("tool_succeeded",     TERMINAL,         (DONE,    DONE,    DONE,      DONE,      FAIL)),
    ("tool_succeeded",     OTHER,            (RUN,     WAIT,    DONE,      DONE,      FAIL)),
    ("tool_failed",        WAITING,          (RUN,     RUN,     DONE,      DONE,      FAIL)),
    ("tool_failed",        TERMINAL + OTHER, (RUN,     WAIT,    DONE,      DONE,      FAIL)),
    ("brand_new",          ANY,              (RUN,     WAIT,    DONE,      DONE,      FAIL)),
    ("Input",              ANY,              (RUN,     WAIT,    DONE,      DONE,      FAIL)),
]  # fmt: skip

CELLS = [
    (event_type, tool, before, status)
    for event_type, tools, row in TABLE
    for tool in tools
    for before, status in zip(STATES, row, strict=True)
]


@pytest.mark.parametrize(("event_type", "tool", "before", "status"), CELLS)
def test_the_status_follows_the_table(event_type: str, tool: str | None, before: str, status: RunStatus) -> None:
    fields = {} if tool is None else {"tool_name": tool}
    state = fold(STATES[before], event(event_type, **fields))

    assert state.status is status
    opens = event_type == "tool_requested" and tool in WAITING and status is WAIT
    assert state.open_questions == ((Question("x", str(tool)),) if opens else ())


@pytest.mark.parametrize("tool", ["human_response", "message_from_user", "Human_response", ""])
@pytest.mark.parametrize("before", STATES)
def test_an_input_of_any_kind_continues_a_run_without_open_questions(before: str, tool: str) -> None:
    assert fold(STATES[before], event("input", tool=tool)) == RunState()


def test_the_table_has_a_row_for_every_type_of_the_contract() -> None:
    assert set(EVENT_CLASSES) <= {row[0] for row in TABLE}


def test_the_contract_has_four_statuses() -> None:
    assert [status.value for status in RunStatus] == ["running", "waiting", "completed", "failed"]


def test_an_event_that_changes_nothing_returns_the_same_state() -> None:
    state = after(event("tool_requested", "q", tool_name="ask_human"))
    for kind in ("llm_called", "run_started", "run_waiting", "tool_succeeded", "tool_failed", "tool_requested", "new"):
        assert fold(state, event(kind)) is state, kind


# --- the end of a run ---


def test_a_failure_after_a_terminal_tool_fails_the_run() -> None:
    assert after(event("tool_succeeded", tool_name="done"), event("run_failed")).status is FAIL


def test_an_explicit_completion_stays_also_after_a_terminal_tool() -> None:
    ends = [event("tool_succeeded", tool_name="done"), event("run_completed"), event("run_failed")]
    assert after(*ends) == RunState(DONE)
    assert after(*ends[1:]) == RunState(DONE)


def test_a_terminal_tool_after_an_explicit_end_changes_nothing() -> None:
    for end in ("run_completed", "run_failed"):
        state = after(event(end))
        assert fold(state, event("tool_succeeded", tool_name="done")) is state


def test_a_continued_run_forgets_that_a_tool_completed_it() -> None:
    assert after(event("tool_succeeded", tool_name="done"), event("run_resumed")) == RunState()


ENDS = [
    ("tool_succeeded", {"tool_name": "respond_to_user"}),
    ("tool_succeeded", {"tool_name": "reply", "role": "finishes"}),
    ("run_completed", {}),
    ("run_failed", {}),
]


@pytest.mark.parametrize(("kind", "fields"), ENDS)
def test_the_end_of_a_run_closes_every_question(kind: str, fields: dict[str, str]) -> None:
    asked = [event("tool_requested", name, tool_name="ask_human") for name in ("q1", "q2")]
    state = after(*asked, event(kind, **fields))

    assert state.open_questions == ()
    # A request that trails behind the end opens none, and an answer to a closed question closes no later one.
    assert fold(state, event("tool_requested", "q3", tool_name="ask_human")) is state
    later = after(
        event("input"),
        event("tool_requested", "q4", tool_name="ask_human"),
        event("tool_succeeded", parent_event_id="q1", tool_name="ask_human"),
        state=state,
    )
    assert (later.status, ids(later)) == (WAIT, ["q4"])


# --- questions ---


def asked(*names: str, tool: str = "ask_human") -> RunState:
    return after(*(event("tool_requested", name, tool_name=tool) for name in names))


ANSWERS = [
    ("tool_succeeded", {"tool_name": "ask_human"}),
    ("tool_failed", {"tool_name": "ask_human"}),
    ("input", {"tool": "human_response"}),
]


@pytest.mark.parametrize(("kind", "fields"), ANSWERS)
@pytest.mark.parametrize(("first", "second"), [("q1", "q2"), ("q2", "q1")])
def test_two_parallel_questions_are_answered_in_any_order(
    kind: str, fields: dict[str, str], first: str, second: str
) -> None:
    state = fold(asked("q1", "q2"), event(kind, parent_event_id=first, **fields))
    assert (state.status, ids(state)) == (WAIT, [second])

    state = fold(state, event(kind, parent_event_id=second, **fields))
    assert (state.status, ids(state)) == (RUN, [])


@pytest.mark.parametrize(("kind", "fields"), ANSWERS)
@pytest.mark.parametrize("parent", [None, "an event that is not a question"])
def test_an_answer_that_names_no_question_closes_the_oldest(
    kind: str, fields: dict[str, str], parent: str | None
) -> None:
    state = fold(asked("q1", "q2"), event(kind, parent_event_id=parent, **fields))
    assert (state.status, ids(state)) == (WAIT, ["q2"])


def test_a_tools_answer_closes_a_question_of_its_tool_only() -> None:
    state = after(event("tool_requested", "s", tool_name="spawn_agent"), state=asked("q1"))

    assert ids(fold(state, event("tool_succeeded", parent_event_id="q1", tool_name="spawn_agent"))) == ["q1"]
    assert ids(fold(state, event("tool_succeeded", parent_event_id="s", tool_name="ask_human"))) == ["s"]
    assert fold(asked("q1"), event("tool_failed", tool_name="spawn_agent")) == asked("q1")


def test_a_human_response_closes_a_question_of_any_tool() -> None:
    state = after(event("tool_requested", "q1", tool_name="ask_human"), state=asked("s", tool="spawn_agent"))

    assert ids(fold(state, event("input", parent_event_id="q1", tool="human_response"))) == ["s"]
    assert ids(fold(state, event("input", tool="human_response"))) == ["q1"]


@pytest.mark.parametrize(("kind", "fields"), ANSWERS)
@pytest.mark.parametrize(("again", "again_fields"), ANSWERS)
def test_a_repeated_answer_closes_no_other_question(
    kind: str, fields: dict[str, str], again: str, again_fields: dict[str, str]
) -> None:
    state = fold(asked("q1", "q2"), event(kind, parent_event_id="q1", **fields))
    assert fold(state, event(again, parent_event_id="q1", **again_fields)) is state


def test_a_repeated_answer_closes_no_question_that_was_asked_after_the_first_answer() -> None:
    response = event("input", parent_event_id="q1", tool="human_response")
    request = event("tool_requested", "q2", tool_name="ask_human")
    result = event("tool_succeeded", parent_event_id="q1", tool_name="ask_human")
    state = after(response, request, result, state=asked("q1"))
    assert (state.status, ids(state)) == (WAIT, ["q2"])


def test_a_repeated_answer_of_a_tool_does_not_continue_a_run_that_waits_for_something_else() -> None:
    answer = event("tool_succeeded", parent_event_id="q1", tool_name="ask_human")
    assert after(answer, event("run_waiting"), answer, state=asked("q1")).status is WAIT
    # An answer that names no answered question does.
    assert after(answer, event("run_waiting"), event("tool_failed", tool_name="ask_human")).status is RUN


def test_other_input_and_run_resumed_continue_the_run_and_close_no_question() -> None:
    for waking in (event("input", parent_event_id="q1"), event("run_resumed", parent_event_id="q1")):
        state = fold(asked("q1", "q2"), waking)
        assert (state.status, ids(state)) == (RUN, ["q1", "q2"])
        # An answer then leaves the run running, even if it closes one of several.
        for kind, fields in ANSWERS:
            answered = fold(state, event(kind, parent_event_id="q2", **fields))
            assert (answered.status, ids(answered)) == (RUN, ["q1"])
        assert fold(state, event("run_waiting")).status is WAIT
        assert fold(state, event("tool_requested", "q3", tool_name="ask_human")).status is WAIT


def test_the_last_answer_continues_a_run_that_run_waiting_has_paused_too() -> None:
    state = after(event("run_waiting"), state=asked("q1"))
    assert (state.status, ids(state)) == (WAIT, ["q1"])
    assert fold(state, event("input", tool="human_response")).status is RUN


# --- the field `role` ---


@pytest.mark.parametrize("tool", ["approve", "respond_to_user", "ask_human"])
def test_a_tool_with_the_role_waits_is_a_waiting_tool(tool: str) -> None:
    request = event("tool_requested", "q1", tool_name=tool, role="waits")
    assert after(request) == RunState(WAIT, (Question("q1", tool),))
    for kind in ("tool_succeeded", "tool_failed"):
        assert after(request, event(kind, tool_name=tool, role="waits")).status is RUN


@pytest.mark.parametrize("tool", ["reply", "respond_to_user", "ask_human"])
def test_a_tool_with_the_role_finishes_is_a_terminal_tool(tool: str) -> None:
    assert after(event("tool_requested", tool_name=tool, role="finishes")) == RunState()
    assert after(event("tool_failed", tool_name=tool, role="finishes")) == RunState()
    assert after(event("tool_succeeded", tool_name=tool, role="finishes")) == RunState(DONE, completed_by_tool=True)


def test_an_answer_needs_no_role_if_its_tool_has_an_open_question() -> None:
    request = event("tool_requested", "q1", tool_name="approve", role="waits")
    assert after(request, event("tool_succeeded", tool_name="approve")).status is RUN
    assert after(request, event("tool_succeeded", tool_name="search")).status is WAIT


@pytest.mark.parametrize("role", [None, "", "Waits", "another role"])
def test_a_role_of_another_value_has_no_meaning(role: str | None) -> None:
    assert after(event("tool_requested", tool_name="search", role=role)) == RunState()
    assert after(event("tool_requested", tool_name="ask_human", role=role)).status is WAIT
    assert after(event("tool_succeeded", tool_name="done", role=role)).status is DONE


# --- limits ---


def test_a_request_beyond_the_limit_makes_the_run_wait_and_is_not_recorded() -> None:
    per_question = 32 + 4 + len("ask_human")
    most = MAX_OPEN_BYTES // per_question
    state = asked(*(f"{number:04}" for number in range(most)))
    assert len(state.open_questions) == most

    assert fold(state, event("tool_requested", "9999", tool_name="ask_human")) is state
    resumed = after(event("run_resumed"), event("tool_requested", "9999", tool_name="ask_human"), state=state)
    assert (resumed.status, resumed.open_questions) == (WAIT, state.open_questions)


@pytest.mark.parametrize("tool", ["", "é" * 128, "a\0b", "a\ud800", "\ufffdb"])
def test_a_question_whose_tool_has_a_name_that_is_not_an_id_is_not_recorded(tool: str) -> None:
    request = event("tool_requested", "q1", tool_name=tool, role="waits")
    assert after(request) == RunState(WAIT)
    assert after(request, event("tool_succeeded", tool_name=tool, role="waits")) == RunState()


def test_only_the_last_answered_questions_are_remembered() -> None:
    state = RunState()
    for number in range(100):
        state = after(event("tool_requested", f"{number:04}", tool_name="ask_human"), state=state)
        state = after(event("input", tool="human_response"), state=state)
    most = MAX_ANSWERED_BYTES // (32 + 4 + len("ask_human"))
    assert [question.id for question in state.answered_questions] == [f"{n:04}" for n in range(100 - most, 100)]


# --- every reader of the log ---

STEPS = [
    *(event(kind) for kind in ("input", "run_resumed", "run_waiting", "run_completed", "run_failed", "llm_called")),
    *(event("input", parent_event_id=parent, tool="human_response") for parent in (None, "q1", "q2")),
    *(event("tool_requested", name, tool_name="ask_human") for name in ("q1", "q2")),
    event("tool_requested", "q3", tool_name="approve", role="waits"),
    *(event("tool_succeeded", parent_event_id=parent, tool_name="ask_human") for parent in (None, "q1", "q2", "q3")),
    event("tool_failed", tool_name="approve"),
    event("tool_succeeded", tool_name="done"),
    event("brand_new"),
]
HISTORIES = st.lists(st.sampled_from(STEPS), max_size=12)


@given(HISTORIES)
def test_an_ended_run_has_no_open_question_and_a_completion_by_a_tool_is_a_completion(
    history: list[RunEvent | UnknownEvent],
) -> None:
    state = after(*history)
    assert state.status in (RUN, WAIT) or not state.open_questions
    assert state.status is DONE or not state.completed_by_tool


@given(HISTORIES)
def test_envelopes_and_typed_events_have_the_same_fold(history: list[RunEvent | UnknownEvent]) -> None:
    envelopes = [read_envelope(step.original or b"") for step in history]
    assert reduce(fold, envelopes, RunState()) == after(*history)


@given(HISTORIES)
def test_open_questions_returns_the_requests_that_the_state_names(history: list[RunEvent | UnknownEvent]) -> None:
    without_repeats: dict[str, RunEvent | UnknownEvent] = {}
    for each in history:
        without_repeats.setdefault(each.id, each)

    assert [request.id for request in open_questions(history)] == ids(after(*without_repeats.values()))


def test_open_questions_returns_the_requests_with_their_arguments() -> None:
    request = event("tool_requested", "q1", tool_name="ask_human", tool_args={"question": "May I?"})
    assert open_questions([event("input"), request, event("llm_called")]) == [request]
